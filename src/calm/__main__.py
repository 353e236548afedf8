"""`python -m calm` is the command `calm`."""

from calm.cli import main

if __name__ == "__main__":
    main()
