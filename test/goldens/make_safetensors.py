"""A small file written by the reference implementation (pip install safetensors==0.8.0 torch), for the reader's tests."""
from pathlib import Path

import torch
from safetensors.torch import save_file

out = Path(__file__).parent / 'safetensors'
out.mkdir(exist_ok=True)
ramp = torch.arange(6, dtype=torch.float32) / 8 - 1
save_file(
    {
        'f32': ramp.reshape(2, 3),
        'f16': ramp.half(),
        'bf16': ramp.bfloat16(),
        'f64': ramp.double(),
        'i64': torch.arange(-2, 4),
        'i32': torch.arange(-2, 4, dtype=torch.int32),
        'i16': torch.arange(-2, 4, dtype=torch.int16),
        'i8': torch.arange(-2, 4, dtype=torch.int8),
        'u8': torch.arange(6, dtype=torch.uint8),
        'bool': torch.tensor([True, False]),
        'scalar': torch.tensor(2.5),
        'empty': torch.zeros(0, 3),
    },
    out / 'types.safetensors',
    metadata={'format': 'pt'},
)
