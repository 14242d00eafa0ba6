"""The stages of the ECCL method: data and configuration in, a model and its features of every visit out.

::

    python -m eccl.training pretrain_ecg
    python -m eccl.training pretrain_cmr --task I21
    python -m eccl.training align --task I21

A stage needs torch, timm, safetensors, numpy, tensorstore, pyarrow and pyyaml, and nothing else of the platform.
"""
