"""Training: LoRA on the model's own speech, the mask taken from structure, killed and resumed without a trace.

`recipe` holds the settings, `rows` turns conversations into token rows, `loop` runs the steps, `save` writes an adapter
that stock PEFT, transformers and vLLM load. Only this room and `policy.local` import torch.
"""
