"""torchvision's own modules for the cases of test/networks/zoo-cases.ts; no taps, the output says enough."""
import torch.nn as nn
import torchvision.models as tv


def module(build, **options):
    return lambda: (build(weights=None, num_classes=10, **options), [])


def vgg16_features():
    model = nn.Module()
    model.features = tv.vgg16(weights=None).features
    model.forward = lambda x: model.features(x)
    return model, []


NETWORKS = {
    "mobilenet_v2": module(tv.mobilenet_v2),
    "mobilenet_v2 width 0.5": module(tv.mobilenet_v2, width_mult=0.5),
    "mobilenet_v3_large": module(tv.mobilenet_v3_large),
    "mobilenet_v3_small": module(tv.mobilenet_v3_small),
    "shufflenet_v2_x0_5": module(tv.shufflenet_v2_x0_5),
    "shufflenet_v2_x1_0": module(tv.shufflenet_v2_x1_0),
    "mnasnet0_5": module(tv.mnasnet0_5),
    "mnasnet1_0": module(tv.mnasnet1_0),
    "squeezenet1_0": module(tv.squeezenet1_0),
    "squeezenet1_1": module(tv.squeezenet1_1),
    "resnet18": module(tv.resnet18),
    "resnet34": module(tv.resnet34),
    "resnext50_32x4d": module(tv.resnext50_32x4d),
    "vgg16 features": vgg16_features,
}
