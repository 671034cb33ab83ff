"""Every model of torchvision.models.list_models() as cases of zoo.py: small images, seeded weights, statistics as measured.

Families: classification, segmentation, detection, video, flow, quantizable (quantize=False), int8 (those, quantised).
"""
import copy
import dataclasses
import functools
import inspect
import re
import unittest.mock

import torch
import torch.ao.quantization
import torchvision
from torch import nn

import zoo

SEGMENTATION = "deeplabv3_ fcn_ lraspp_".split()
DETECTION = "fasterrcnn_ fcos_ keypointrcnn_ maskrcnn_ retinanet_ ssd300_ ssdlite320_".split()
VIDEO = "mc3_ mvit_ r2plus1d_ r3d_ s3d swin3d_".split()

BIAS = (0.4, 0.9)
IMAGE = 64
IMAGE_SIZES = {"inception_v3": 96, "quantized_inception_v3": 96, "maxvit_t": 224, "raft_large": 128, "raft_small": 128}
PATCH = {"vit_h_14": 14}
CLIPS = {"mvit_v1_b": (16, 224), "mvit_v2_s": (16, 224), "s3d": (14, 224), "swin3d_t": (8, 64), "swin3d_s": (8, 64), "swin3d_b": (8, 64)}


def family(name):
    for prefixes, found in ((SEGMENTATION, "segmentation"), (DETECTION, "detection"), (VIDEO, "video"), (["raft_"], "flow"),
                            (["quantized_"], "quantizable")):
        if any(name.startswith(p) for p in prefixes):
            return found
    return "classification"


def names():
    return torchvision.models.list_models()


def images(count, channels, *size):
    """Every other one is noise, the others are smooth with some noise, as photographs are; all different."""
    noise = torch.randn(count, channels, *size)
    coarse = torch.randn(count, channels, *(3 for _ in size))
    smooth = nn.functional.interpolate(coarse, size=size, align_corners=True, mode="bilinear" if len(size) == 2 else "trilinear")
    smooth += 0.1 * noise
    smooth[::2] = noise[::2]
    return smooth


def head_weights(model):
    """Layers that start at zero, and would hide what comes before them."""
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.detach().any():
            nn.init.normal_(parameter, std=0.02)


def weightless(name, **options):
    """Without pretrained weights; the options that say so differ from model to model."""
    builder = torchvision.models._api.BUILTIN_MODELS[name]
    if "weights_backbone" in inspect.signature(builder).parameters:
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    if name.startswith("quantized_"):
        options["quantize"] = False
    return torchvision.models.get_model(name, weights=None, **options)


def seed(name):
    torch.manual_seed(sum(ord(c) * (i + 1) for i, c in enumerate(name)))


def batched(name):
    """One argument of images or clips, class scores or maps of them."""
    seed(name)
    size, options = IMAGE_SIZES.get(name, IMAGE), {}
    if name.startswith("vit_"):
        size = 4 * PATCH[name] if name in PATCH else IMAGE
        options["image_size"] = size
    shape = (3, size, size)
    if family(name) == "video":
        frames, size = CLIPS.get(name, (8, 64))
        shape = (3, frames, size, size)
    if family(name) == "segmentation":
        options["num_classes"] = 5
        options["aux_loss"] = True
        if name.startswith("lraspp"):
            del options["aux_loss"]
    heavy = size >= 224
    model = weightless(name, **options)
    head_weights(model)
    zoo.disturb_batch_norms(model, images(2 if heavy else 8, *shape), bias=BIAS)
    samples = 1 if heavy and len(shape) == 4 else 3
    return zoo.Case(model.eval(), {"x": images(samples, *shape)}, "scripted", batch=min(samples, 2), dicts=family(name) == "segmentation", strict_limit=True)


def double_grids():
    """RAFT makes its grid of coordinates in float32 whatever its weights are."""
    raft = torchvision.models.optical_flow.raft
    grid = raft.make_coords_grid
    return unittest.mock.patch.object(raft, "make_coords_grid", lambda *a, **k: grid(*a, **k).double())


def flow(name):
    seed(name)
    size = IMAGE_SIZES[name]
    model = weightless(name)
    first = images(2, 3, size, size).clamp(-1, 1)
    zoo.disturb_batch_norms(model, first, lambda x: model(x, x.roll(2, 3), num_flow_updates=1), BIAS)
    second = first.roll((3, -2), (2, 3)) + 0.05 * torch.randn_like(first)
    return zoo.Case(model.eval(), {"image1": first, "image2": second}, "scripted", exactly=double_grids, strict_limit=True)


# ---- detection

# Layers whose results decide what is found: their weights are scaled so that results have this standard deviation.
SPREAD = [(re.compile(pattern + "$"), deviation) for pattern, deviation in (
    (r"rpn\.head\.cls_logits", 2), (r"rpn\.head\.bbox_pred", 0.3),
    (r"roi_heads\.box_predictor\.cls_score", 2), (r"roi_heads\.box_predictor\.bbox_pred", 0.5),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits", 2), (r"roi_heads\.keypoint_predictor\.kps_score_lowres", 3),
    (r"head\.classification_head\.(cls_logits|module_list\.\d(\.1)?)", 2),
    (r"head\.regression_head\.(bbox_reg|module_list\.\d(\.1)?)", 0.3), (r"head\.regression_head\.bbox_ctrness", 1))]


def spread_scores(model, pictures):
    hooks, seen = [], set()

    def scale(wanted):
        def hook(layer, _, result):
            if result.numel() < 2 or layer in seen:
                return None
            seen.add(layer)
            factor = wanted / result.std().clamp(min=1e-6)
            layer.weight.data.mul_(factor)
            return result * factor
        return hook

    for path, module in model.named_modules():
        for pattern, wanted in SPREAD:
            if pattern.match(path) and hasattr(module, "weight"):
                nn.init.normal_(module.weight)
                nn.init.zeros_(module.bias)
                hooks.append(module.register_forward_hook(scale(wanted)))
    with torch.no_grad():
        model(pictures)
    for hook in hooks:
        hook.remove()


class Tuple(nn.Module):
    """A detector as people trace it: one image, a tuple of tensors."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return tuple(self.model([image])[0].values())


def detection(name):
    seed(name)
    options = {"num_classes": 7}
    if not name.startswith("ssd"):
        options.update(min_size=96, max_size=160)
    if "rcnn" in name:
        options.update(rpn_post_nms_top_n_test=200)
    if name.startswith(("keypoint", "mask")): # whose heads take most of the time
        options.update(box_detections_per_img=8)
    if name.startswith("keypointrcnn"):
        options["num_classes"] = 2
    height, width = 96, 128
    model = weightless(name, **options)
    zoo.disturb_batch_norms(model, images(4, 3, height, width), lambda x: model(list(x)), BIAS)
    pictures = images(3, 3, height, width)
    spread_scores(model.eval(), list(pictures))
    return zoo.Case(model, {"images": pictures}, "scripted", listed=True, strict_limit=True, detections=True)


# ---- int8

ENGINES = "fbgemm", "onednn", "qnnpack"  # the first that PyTorch was built with


def int8(name):
    """Post-training static quantisation as torchvision does it, of weights that are worth quantising."""
    engine = next(e for e in ENGINES if e in torch.backends.quantized.supported_engines)
    torch.backends.quantized.engine = engine
    case = batched(name)
    module = copy.deepcopy(case.module)
    module.fuse_model(is_qat=False)
    module.qconfig = torch.ao.quantization.get_default_qconfig(engine)
    torch.ao.quantization.prepare(module, inplace=True)
    x = case.inputs["x"]
    with torch.no_grad():
        module(images(8, *x.shape[1:]))
        module(x)
    torch.ao.quantization.convert(module, inplace=True)
    return dataclasses.replace(case, module=module, floating=case.module)


BUILD = {"flow": flow, "detection": detection}
FAMILIES = "classification segmentation detection video flow quantizable int8".split()


@functools.lru_cache(maxsize=1)
def model(name):
    return BUILD.get(family(name), batched)(name)


@functools.lru_cache(maxsize=1)
def int8_model(name):
    return int8(name)


def build(name, kind, made=model):
    case = made(name)
    if kind == "traced" and case.listed:
        inputs = {"image": case.inputs["images"]}
        return dataclasses.replace(case, kind=kind, module=Tuple(case.module).eval(), inputs=inputs, listed=False, per_sample=True)
    return dataclasses.replace(case, kind=kind)


def cases():
    for name in names():
        for kind in "scripted", "traced":
            yield family(name), f"{name}/{kind}", functools.partial(build, name, kind)
    for name in names():
        for kind in ("scripted", "traced") if family(name) == "quantizable" else ():
            yield "int8", f"{name}.int8/{kind}", functools.partial(build, name, kind, int8_model)
