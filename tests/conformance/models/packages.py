"""Cases of exported.py: diffusers, segmentation_models_pytorch, torchaudio, torch_geometric, pytorch_tabnet.

Tacotron 2 is not among them: it draws random numbers also when it is not trained.
"""
import torch
from torch import nn

from zoo import disturb_batch_norms

from .transformers import liven


class Call(nn.Module):
    """A module called with fixed keywords, results as a tuple of tensors."""

    def __init__(self, module, method="__call__", **fixed):
        super().__init__()
        self.module, self.method, self.fixed = module, method, fixed

    def forward(self, *values):
        out = getattr(self.module, self.method)(*values, **self.fixed)
        if isinstance(out, torch.Tensor):
            return out
        out = [o for o in (out.to_tuple() if hasattr(out, "to_tuple") else out) if isinstance(o, torch.Tensor)]
        return tuple(out) if len(out) > 1 else out[0]


def traced_once(module, inputs, **fixed):
    return {"module": Call(liven(module), **fixed), "inputs": inputs, "no_grad": True}


def diffusers_cases():
    import diffusers
    small = dict(block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=4)
    image = lambda c=3, s=16: torch.randn(4, c, s, s)
    step = lambda: torch.randint(0, 1000, (4,))
    text = lambda w=16: torch.randn(4, 5, w)
    yield "unet-2d", lambda: traced_once(diffusers.UNet2DModel(sample_size=16, down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"), **small),
                                         {"sample": image(), "timestep": step()}, return_dict=False)
    yield "unet-2d-condition", lambda: traced_once(
        diffusers.UNet2DConditionModel(sample_size=16, in_channels=4, out_channels=4, cross_attention_dim=16, attention_head_dim=4,
                                       down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **small),
        {"sample": image(4), "timestep": step(), "text": text()}, return_dict=False)
    yield "unet-1d", lambda: traced_once(diffusers.UNet1DModel(sample_size=32, in_channels=2, out_channels=2, block_out_channels=(8, 16, 16)), {"sample": torch.randn(4, 2, 32), "timestep": step()}, return_dict=False)
    yield "unet-3d", lambda: traced_once(
        diffusers.UNet3DConditionModel(sample_size=16, in_channels=4, out_channels=4, cross_attention_dim=16, attention_head_dim=4, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
                                       up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"), **small), {"sample": torch.randn(4, 4, 2, 16, 16), "timestep": step(), "text": text()}, return_dict=False)
    kl = lambda: diffusers.AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, **small)
    yield "vae", lambda: traced_once(kl(), {"sample": image(3, 32)}, return_dict=False)
    yield "vae-decoder", lambda: traced_once(kl(), {"z": image(4, 8)}, method="decode", return_dict=False)
    yield "vae-tiny", lambda: traced_once(diffusers.AutoencoderTiny(encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)), {"sample": image(3, 32)}, return_dict=False)
    yield "vq-model", lambda: traced_once(diffusers.VQModel(down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=3, num_vq_embeddings=20, **small), {"sample": image(3, 16)}, return_dict=False)
    yield "vae-asymmetric", lambda: traced_once(diffusers.AutoencoderKLTemporalDecoder(down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4, block_out_channels=(32, 32), layers_per_block=1), {"z": image(4, 8)}, method="decode", num_frames=2, return_dict=False)
    yield "dit", lambda: traced_once(diffusers.DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=8, in_channels=4, num_layers=2, sample_size=8, num_embeds_ada_norm=10), {"hidden": image(4, 8), "timestep": step(), "labels": torch.randint(0, 10, (4,))}, return_dict=False)
    yield "pixart", lambda: traced_once(diffusers.PixArtTransformer2DModel(num_attention_heads=2, attention_head_dim=8, num_layers=2, sample_size=8, caption_channels=16, cross_attention_dim=16), {"hidden": image(4, 8), "text": text(), "timestep": step()}, added_cond_kwargs={"resolution": None, "aspect_ratio": None}, return_dict=False)
    yield "sd3", lambda: traced_once(diffusers.SD3Transformer2DModel(sample_size=8, num_layers=2, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16, pooled_projection_dim=12, in_channels=4, out_channels=4, pos_embed_max_size=8),
                                     {"hidden": image(4, 8), "text": text(), "pooled": torch.randn(4, 12), "timestep": step()}, return_dict=False)
    yield "prior", lambda: traced_once(diffusers.PriorTransformer(num_attention_heads=2, attention_head_dim=8, num_layers=2, embedding_dim=16, num_embeddings=5, additional_embeddings=4), {"hidden": torch.randn(4, 16), "timestep": step(), "embedding": torch.randn(4, 16), "text": text()}, return_dict=False)
    yield "controlnet", lambda: traced_once(diffusers.ControlNetModel(cross_attention_dim=16, attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), conditioning_embedding_out_channels=(8, 16), **small),
                                            {"sample": image(4, 8), "timestep": step(), "text": text(), "hint": image(3, 16)}, return_dict=False)
    yield "unet-kandinsky", lambda: traced_once(
        diffusers.UNet2DConditionModel(sample_size=8, in_channels=4, out_channels=8, cross_attention_dim=16, attention_head_dim=4, resnet_time_scale_shift="scale_shift",
                                       down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"), mid_block_type="UNetMidBlock2DSimpleCrossAttn", up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), **small),
        {"sample": image(4, 8), "timestep": step(), "text": text()}, return_dict=False)


def segmentation_cases():
    import segmentation_models_pytorch as smp

    def make(kind, encoder, **more):
        model = getattr(smp, kind)(encoder_name=encoder, encoder_weights=None, classes=3, **more)
        images = torch.randn(4, 3, 64, 64)
        disturb_batch_norms(model, images)
        return {"module": liven(model), "inputs": {"x": images}}

    for kind in "Unet UnetPlusPlus FPN PSPNet Linknet PAN DeepLabV3 DeepLabV3Plus MAnet UPerNet Segformer DPT".split():
        yield kind.lower(), lambda kind=kind: make(kind, "tu-vit_tiny_patch16_224" if kind == "DPT" else "resnet18")
    for encoder in "mobilenet_v2 efficientnet-b0 timm-efficientnet-lite0 densenet121 vgg11_bn mit_b0 se_resnet50 dpn68 xception mobileone_s0 timm-regnetx_002 tu-convnext_atto inceptionv4 timm-res2net50_26w_4s".split():
        yield "unet-" + encoder, lambda encoder=encoder: make("Unet", encoder)
    yield "unet-scse", lambda: make("Unet", "resnet18", decoder_attention_type="scse")
    yield "unet-classes", lambda: make("Unet", "resnet18", aux_params={"classes": 4, "dropout": 0.2})


def audio_cases():
    import torchaudio
    from torchaudio import models as m, transforms as t
    wave = lambda n=4, k=800: torch.randn(n, k)
    lengths = lambda: torch.tensor([40, 31, 40, 22])
    plain = lambda module, **inputs: {"module": module, "inputs": inputs}
    yield "conv-tasnet", "traced scripted", lambda: plain(m.ConvTasNet(2, 16, 24, 3, 16, 24, 2, 2), x=torch.randn(4, 1, 800))
    yield "conformer", "traced scripted", lambda: plain(m.Conformer(16, 4, 32, 2, 7), x=torch.randn(4, 40, 16), lengths=lengths())
    yield "emformer", "scripted", lambda: plain(m.Emformer(16, 4, 32, 2, 4, right_context_length=1), x=torch.randn(4, 41, 16), lengths=lengths())
    yield "deepspeech", "traced scripted", lambda: plain(m.DeepSpeech(10, 32, 6), x=torch.randn(4, 1, 20, 10))
    yield "wav2letter", "traced scripted", lambda: plain(m.Wav2Letter(num_classes=8, input_type="waveform"), x=torch.randn(4, 1, 2000))
    yield "wavernn", "traced scripted", lambda: plain(m.WaveRNN([2, 4], 16, 8, n_res_block=2, n_rnn=16, n_fc=16, kernel_size=5, n_freq=12, n_hidden=12, n_output=12), wave=torch.randn(4, 1, 8 * 6), spectrogram=torch.randn(4, 1, 12, 10))
    yield "wav2vec2", "scripted", lambda: plain(m.wav2vec2_model("group_norm", [(16, 10, 5), (16, 3, 2)], False, 32, 0.1, 16, 4, 2, 4, 0.1, 48, 0.1, 0.1, False, 0.1, 9), wave=wave())
    yield "hubert-like", "scripted", lambda: plain(m.wav2vec2_model("layer_norm", [(16, 10, 5), (16, 3, 2)], True, 32, 0.1, 16, 4, 2, 4, 0.1, 48, 0.1, 0.1, True, 0.1, None), wave=wave())
    yield "wavlm", "traced", lambda: traced_once(m.wavlm_model("group_norm", [(16, 10, 5), (16, 3, 2)], False, 32, 0.1, 16, 4, 2, 4, 32, 100, 0.1, 48, 0.1, 0.1, False, 0.1, 9), {"wave": wave()})
    yield "hdemucs", "traced", lambda: plain(m.HDemucs(["a", "b"], audio_channels=1, channels=4, nfft=256, depth=3, norm_starts=1), x=torch.randn(2, 1, 2048))
    yield "squim", "traced scripted", lambda: plain(m.squim_objective_model(8, 16, 32, 8, 8, 8, 1), wave=wave(4, 1600))
    yield "rnnt", "scripted", lambda: plain(m.emformer_rnnt_model(input_dim=8, encoding_dim=16, num_symbols=12, segment_length=16, right_context_length=4, time_reduction_input_dim=8, time_reduction_stride=4,
                                                                transformer_num_heads=2, transformer_ffn_dim=24, transformer_num_layers=2, transformer_dropout=0.1, transformer_activation="gelu",
                                                                transformer_left_context_length=4, transformer_max_memory_size=0, transformer_weight_init_scale_strategy="depthwise", transformer_tanh_on_mem=True,
                                                                symbol_embedding_dim=12, num_lstm_layers=2, lstm_layer_norm=True, lstm_layer_norm_epsilon=1e-3, lstm_dropout=0.1),
                                            x=torch.randn(4, 36, 8), lengths=torch.full((4,), 36).int(), y=torch.randint(0, 12, (4, 5)).int(), y_lengths=torch.full((4,), 5).int())
    for name, make in {
        "spectrogram": lambda: t.Spectrogram(n_fft=128), "mel-spectrogram": lambda: nn.Sequential(t.MelSpectrogram(8000, n_fft=128, n_mels=16), t.AmplitudeToDB(top_db=80.0)),
        "mfcc": lambda: t.MFCC(8000, n_mfcc=8, melkwargs={"n_fft": 128, "n_mels": 16}), "lfcc": lambda: t.LFCC(8000, n_filter=12, n_lfcc=8, speckwargs={"n_fft": 128}),
        "resample": lambda: t.Resample(8000, 5000), "mu-law": lambda: nn.Sequential(t.MuLawEncoding(64), t.MuLawDecoding(64)), "deltas": lambda: t.ComputeDeltas(),
        "fade": lambda: t.Fade(100, 100, "half_sine"), "spectral-centroid": lambda: t.SpectralCentroid(8000, n_fft=128), "sliding-cmn": lambda: t.SlidingWindowCmn(20),
        "vol": lambda: t.Vol(0.7), "preemphasis": lambda: t.Preemphasis(), "loudness": lambda: t.Loudness(8000), "griffin-lim": lambda: t.GriffinLim(n_fft=64, n_iter=4, rand_init=False),
        "inverse-mel": lambda: t.InverseSpectrogram(n_fft=64), "pitch-shift": lambda: t.PitchShift(8000, 4, n_fft=128), "time-stretch": lambda: t.TimeStretch(fixed_rate=1.2, n_freq=33),
    }.items():
        inputs = lambda name=name: {"deltas": torch.randn(4, 12, 30), "sliding-cmn": torch.randn(4, 30, 12), "griffin-lim": torch.rand(4, 33, 20), "loudness": torch.randn(4, 2, 8000), "inverse-mel": torch.randn(4, 33, 20, dtype=torch.cfloat), "time-stretch": torch.randn(4, 33, 20, dtype=torch.cfloat)}.get(name, wave().clamp(-1, 1))
        yield name, "scripted traced", lambda make=make, inputs=inputs: plain(make(), x=inputs())


def geometric_cases():
    import torch_geometric.nn as g
    from torch_geometric.nn import global_mean_pool

    class Net(nn.Module):
        """Every sample is a graph with the same number of nodes."""

        def __init__(self, convs):
            super().__init__()
            self.convs, self.out = nn.ModuleList(convs), nn.Linear(8, 3)

        def forward(self, x, edges):
            n, k, d = x.shape
            flat = (edges + torch.arange(n).view(-1, 1, 1) * k).transpose(0, 1).reshape(2, -1)
            h = x.reshape(n * k, d)
            for conv in self.convs:
                h = conv(h, flat).relu()
            return self.out(global_mean_pool(h, torch.arange(n).repeat_interleave(k), n))

    mlp = lambda a, b: nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, b))
    nets = {"gcn": lambda: g.GCNConv(8, 8), "gat": lambda: g.GATConv(8, 4, heads=2), "gatv2": lambda: g.GATv2Conv(8, 4, heads=2), "sage": lambda: g.SAGEConv(8, 8), "gin": lambda: g.GINConv(mlp(8, 8)),
            "graph": lambda: g.GraphConv(8, 8), "transformer": lambda: g.TransformerConv(8, 4, heads=2), "cheb": lambda: g.ChebConv(8, 8, 3), "arma": lambda: g.ARMAConv(8, 8), "tag": lambda: g.TAGConv(8, 8),
            "sg": lambda: g.SGConv(8, 8), "appnp": lambda: g.APPNP(3, 0.1), "mf": lambda: g.MFConv(8, 8), "edge": lambda: g.EdgeConv(mlp(16, 8)), "leconv": lambda: g.LEConv(8, 8), "gated": lambda: g.ResGatedGraphConv(8, 8),
            "ggnn": lambda: g.GatedGraphConv(8, 2), "super": lambda: g.SuperGATConv(8, 8), "general": lambda: g.GeneralConv(8, 8), "film": lambda: g.FiLMConv(8, 8), "cluster": lambda: g.ClusterGCNConv(8, 8), "gen": lambda: g.GENConv(8, 8),
            "sage-lstm-free": lambda: g.SAGEConv(8, 8, aggr=["mean", "max", "std"])}
    for name, make in nets.items():
        yield name, lambda make=make: {"module": Net([make(), make()]), "inputs": {"x": torch.randn(4, 10, 8), "edges": torch.randint(0, 10, (4, 2, 30))}, "batch": 2}


def tabnet_cases():
    from pytorch_tabnet.tab_network import TabNet
    yield "tabnet", lambda: {"module": TabNet(10, 3, cat_idxs=[1, 4], cat_dims=[5, 7], cat_emb_dim=[2, 2], group_attention_matrix=torch.eye(10)), "inputs": {"x": torch.rand(4, 10) * 4}}
    yield "tabnet-entmax", lambda: {"module": TabNet(10, 3, mask_type="entmax", cat_emb_dim=[], group_attention_matrix=torch.eye(10)), "inputs": {"x": torch.rand(4, 10) * 4}}


def cases():
    for package, kinds, inner in ("diffusers", "traced", diffusers_cases), ("segmentation", "traced scripted", segmentation_cases), ("torchaudio", "", audio_cases), ("geometric", "traced", geometric_cases), ("tabnet", "traced", tabnet_cases):
        try:
            for label, *more in inner():
                yield f"{package}-{label}", more[0] if len(more) > 1 else kinds, more[-1]
        except ImportError as e:
            def missing(e=e):
                raise e
            yield package, "traced", missing
