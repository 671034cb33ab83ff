"""Cases of exported.py: torchvision as it is now. All models of 0.14, detection among them, are compared by run.py."""
import torch
import torchvision
from torch import nn

from zoo import disturb_batch_norms


def make(name, shape, several=0, **options):
    model = torchvision.models.get_model(name, weights=None, **options)
    inputs = {k: torch.randn(4, *shape) for k in ("x", "y")[:1 + several]}
    disturb_batch_norms(model, *inputs.values()) if not several else model.eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.numel() > 1 and not p.any():
                nn.init.normal_(p, std=0.02)
    return {"module": model, "inputs": inputs}


class Transforms(nn.Module):
    """What data sets of images need, as scripted modules."""

    def __init__(self, *steps):
        super().__init__()
        self.steps = nn.Sequential(*steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.steps(x)


def transforms():
    from torchvision import transforms as t
    return {"resize-normalise": lambda: Transforms(t.Resize([24, 20], antialias=True), t.CenterCrop(16), t.ConvertImageDtype(torch.float32), t.Normalize([0.4] * 3, [0.2] * 3)),
            "resize-bicubic": lambda: Transforms(t.Resize([24, 20], t.InterpolationMode.BICUBIC, antialias=True), t.Pad([2, 1], padding_mode="reflect")),
            "grey-five": lambda: Transforms(t.Grayscale(3), t.ConvertImageDtype(torch.float32), t.GaussianBlur(3, 0.8))}


def cases():
    both = "traced scripted"
    image = (3, 64, 64)
    for name in "convnext_tiny efficientnet_v2_s maxvit_t mnasnet0_5 mobilenet_v3_large regnet_y_400mf resnext50_32x4d shufflenet_v2_x0_5 swin_v2_t vit_b_32 wide_resnet50_2".split():
        size = {"maxvit_t": (3, 224, 224), "vit_b_32": (3, 224, 224)}.get(name, image)
        yield name, both, lambda name=name, size=size: make(name, size)
    for name in "lraspp_mobilenet_v3_large deeplabv3_mobilenet_v3_large fcn_resnet50".split():
        yield name, both, lambda name=name: make(name, image, weights_backbone=None)
    for name in "r3d_18 mc3_18 r2plus1d_18 s3d mvit_v1_b swin3d_t".split():
        size = {"mvit_v1_b": (3, 16, 224, 224), "s3d": (3, 16, 64, 64)}.get(name, (3, 4, 32, 32))
        yield name, both, lambda name=name, size=size: make(name, size)
    yield "raft_small", both, lambda: make("raft_small", (3, 128, 128), 1)
    for name, module in transforms().items():
        yield name, both, lambda module=module: {"module": module(), "inputs": {"x": torch.randint(0, 255, (4, 3, 40, 32), dtype=torch.uint8)}}
