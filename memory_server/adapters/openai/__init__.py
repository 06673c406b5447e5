"""Embeddings by HTTP, in the form of OpenAI that vLLM, TEI, Ollama, LiteLLM and others speak too."""
