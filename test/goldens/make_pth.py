"""Small PyTorch checkpoints for the reader's tests. Run with Debian's python3-torch: /usr/bin/python3 make_pth.py"""
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch

out = Path(__file__).parent / 'pth'
out.mkdir(exist_ok=True)


def ramp(*shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count, dtype=torch.float32) / 8 - 1).reshape(shape).to(dtype)


state = OrderedDict(weight=ramp(2, 3, 1, 2), bias=ramp(2), running=ramp(4, dtype=torch.float64))
state['num_batches_tracked'] = torch.tensor(7)
torch.save(state, out / 'plain.pth')
torch.save({'state_dict': OrderedDict(('module.' + key, value) for key, value in state.items()), 'epoch': 3}, out / 'wrapped.pth')
torch.save({'half': ramp(5, dtype=torch.half), 'bf16': ramp(5, dtype=torch.bfloat16), 'int': torch.arange(5), 'byte': torch.arange(5, dtype=torch.uint8), 'bool': torch.tensor([True, False])}, out / 'types.pth')
big = ramp(4, 6)
torch.save({'transposed': big.t(), 'slice': big[1:3, ::2], 'expanded': ramp(1, 3).expand(4, 3), 'scalar': torch.tensor(2.5), 'empty': torch.zeros(0, 3)}, out / 'views.pth')
torch.save({'parameter': torch.nn.Parameter(ramp(3))}, out / 'parameter.pth')
shared = ramp(3, 4)
legacy = {'state_dict': OrderedDict(weight=shared, view=shared.t()[1:3], half=ramp(5, dtype=torch.half), parameter=torch.nn.Parameter(ramp(2))), 'best': torch.tensor(0.5)}
torch.save(legacy, out / 'legacy.pth', _use_new_zipfile_serialization=False)
torch.save(state, out / 'protocol4.pth', pickle_protocol=4)
(out / 'list.pkl').write_bytes(pickle.dumps([1, 2, 3], protocol=2))


class PythonTwo(OrderedDict):
    """Pickles as Python 2 did: the items as the constructor's argument."""
    def __reduce__(self):
        return (OrderedDict, ([list(item) for item in self.items()],))


torch.save(PythonTwo(weight=ramp(2), bias=ramp(3)), out / 'python2.pth')
torch.jit.save(torch.jit.script(torch.nn.ReLU()), out / 'torchscript.pt')
torch.save({'epoch': 3, 'lr': 0.1}, out / 'no-tensors.pth')


class Evil:
    def __reduce__(self):
        return (os.system, ('echo never',))


torch.save({'weight': Evil()}, out / 'evil.pth')
with zipfile.ZipFile(out / 'bomb.pth', 'w') as archive:
    for name, content in {'x/data.pkl': b'\x80\x02}.', 'x/data/0': bytes(32 * 1024 * 1024)}.items():
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)

# the plain checkpoint packed again with deflate, as some upload sites do; and one whose storage has a flipped bit
with zipfile.ZipFile(out / 'plain.pth') as source, zipfile.ZipFile(out / 'deflated.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
    for name in source.namelist():
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), source.read(name), zipfile.ZIP_DEFLATED)
damaged = bytearray((out / 'plain.pth').read_bytes())
damaged[damaged.index(ramp(12).numpy().tobytes()) + 5] ^= 1
(out / 'damaged.pth').write_bytes(damaged)

# one float shown as a terabyte
torch.save({'weight': torch.as_strided(ramp(1), (1 << 20, 1 << 18), (0, 0))}, out / 'expanded.pth')
