"""A trained model as other servers run it: folders for vLLM and Ollama; weights come from `merge` and `gguf`."""
