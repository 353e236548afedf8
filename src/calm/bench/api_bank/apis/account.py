"""Accounts and the bank: who is who, passwords, tokens, balances."""

from typing import Any

from calm.bench.api_bank.apis.base import API, Refusal, State, alike, equal

CODE = 970420
"""The verification code that upstream always sends."""


def owner(state: State, token: str) -> str:
    """The user to whom a token belongs."""
    for username, account in state["Account"].items():
        if account["token"] == token:
            return username
    raise Refusal("no user has this token")


def check_token(state: State, token: str) -> dict[str, str]:
    """The user's name."""
    return {"username": owner(state, token)}


def get_user_token(state: State, username: str, password: str) -> dict[str, str]:
    """The token of a user who knows the password."""
    account = _account(state, username)
    if account["password"] != password:
        raise Refusal("the password is wrong")
    return {"token": account["token"]}


def _account(state: State, username: str) -> dict[str, Any]:
    if username not in state["Account"]:
        raise Refusal("there is no such user")
    return state["Account"][username]


def register_user(state: State, username: str, password: str, email: str) -> dict[str, str]:
    """A token for a new user; upstream draws it at random."""
    accounts = state["Account"]
    if username in accounts:
        raise Refusal("the name is taken")
    token = state.draw(len(accounts), 18)
    accounts[username] = {"password": password, "token": token, "email": email}
    return {"token": token}


def delete_account(state: State, token: str) -> dict[str, str]:
    """The account is gone, and its token with it."""
    del state["Account"][owner(state, token)]
    return {"status": "success"}


def modify_password(state: State, token: str, old_password: str, new_password: str) -> dict[str, str]:
    """Another password, for who knows the old one."""
    account = state["Account"][owner(state, token)]
    if account["password"] != old_password:
        raise Refusal("the old password is wrong")
    account["password"] = new_password
    return {"status": "success"}


def forgot_password(state: State, status: str, **given: Any) -> int | str:
    """Two steps: name and email give a code, the code a new password; the second works only after the first."""
    if status == "Forgot Password":
        return _send_code(state, given)
    if status == "Verification Code":
        return _use_code(state, given)
    raise Refusal(f"there is no step {status!r}")


def _send_code(state: State, given: dict[str, Any]) -> int:
    if "username" not in given or "email" not in given:
        raise Refusal("the first step needs username and email")
    if _account(state, given["username"])["email"] != given["email"]:
        raise Refusal("the email is wrong")
    state["forgetful"] = given["username"]
    return CODE


def _use_code(state: State, given: dict[str, Any]) -> str:
    if not state.get("forgetful"):
        raise Refusal("the first step comes first")
    if "new_password" not in given or "verification_code" not in given:
        raise Refusal("the second step needs code and password")
    if given["verification_code"] != CODE:
        raise Refusal("the code is wrong")
    _account(state, state["forgetful"])["password"] = given["new_password"]
    return "success"


def open_bank_account(state: State, account: str, password: str, name: str) -> str:
    """A bank account; a number in use gives the word "failed", which is no refusal."""
    taken = state.setdefault("accounts opened", {"test"})
    if account in taken:
        return "failed"
    taken.add(account)
    return "success"


def query_balance(state: State, token: str) -> float:
    """What a user has in the bank."""
    name = owner(state, token)
    if name not in state.initial["Bank"]:
        raise Refusal("the user has no bank account")
    return state.initial["Bank"][name]["balance"]


APIS = {
    "CheckToken": API("token", check_token, equal),
    "GetUserToken": API("username password", get_user_token, equal),
    "RegisterUser": API("username password email", register_user, alike("input exception")),
    "DeleteAccount": API("token", delete_account, equal),
    "ModifyPassword": API("token old_password new_password", modify_password, equal),
    "ForgotPassword": API(
        "status username? email? verification_code:int? new_password?",
        forgot_password,
        equal,
    ),
    "OpenBankAccount": API("account password name", open_bank_account, equal),
    "QueryBalance": API("token", query_balance, alike(token=str.strip)),
}
