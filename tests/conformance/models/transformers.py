"""Cases of exported.py: small random configurations of Hugging Face transformers, traced as their guide says.

A configuration is shrunk by the names that most of them share; what needs more is said per model.
"""
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import transformers
from torch import nn
from transformers import AutoConfig

WORDS, LENGTH = 211, 13

SHRINK = dict(vocab_size=WORDS, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96,
              max_position_embeddings=128, head_dim=16, d_model=64, n_embd=64, n_layer=2, n_head=4, n_positions=128, n_ctx=128,
              encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=96,
              decoder_ffn_dim=96, ffn_dim=96, num_layers=2, num_decoder_layers=2, num_heads=4, d_ff=96, d_kv=16, d_inner=96, dim=64,
              n_layers=2, n_heads=4, hidden_dim=96, emb_dim=64, embedding_size=32, num_experts=4, num_local_experts=4,
              n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=48, shared_expert_intermediate_size=48, word_embed_proj_dim=64,
              n_inner=96, ffn_hidden_size=96, state_size=8, num_attention_groups=1, layer_types=None, sliding_window=8,
              attention_window=4, pad_token_id=0, bos_token_id=1, eos_token_id=2, embed_dim=64, attention_hidden_size=64,
              sliding_window_pattern=2, query_pre_attn_scalar=16, time_step_rank=4, expand=2, first_k_dense_replace=1, n_group=1, topk_group=1,
              kv_lora_rank=16, q_lora_rank=24, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=16, qk_head_dim=24)

VISION = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=32, patch_size=8, num_labels=7,
              decoder_hidden_size=32, decoder_num_hidden_layers=2, decoder_intermediate_size=64, decoder_num_attention_heads=4)

SPEECH = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, conv_dim=(16, 16, 16), conv_stride=(5, 2, 2),
              conv_kernel=(10, 3, 3), num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, vocab_size=31,
              feat_extract_norm="group", squeeze_factor=2, output_hidden_size=48)


def shrink(model_type, wanted, more):
    """The configuration with what it knows of `wanted` replaced."""
    kind = type(AutoConfig.for_model(model_type))
    plain = kind()
    mapped = getattr(kind, "attribute_map", {})
    values = {}
    for name, value in wanted.items():
        name = mapped.get(name, name)
        if name in values or not hasattr(plain, name) or name in more or isinstance(getattr(kind, name, None), property):
            continue
        if name == "layer_types":
            continue
        values[name] = value
    layers = None if isinstance(getattr(kind, mapped.get("layer_types", "layer_types"), None), property) else getattr(plain, "layer_types", None)
    if layers and "layer_types" not in more:
        distinct = list(dict.fromkeys(layers))
        values["layer_types"] = (distinct * 2)[:max(2, len(distinct))]
        values[mapped.get("num_hidden_layers", "num_hidden_layers")] = len(values["layer_types"])
    config = kind(**{**values, **more})
    config.architectures = []
    return config


class Flat(nn.Module):
    """Calls a model by keyword and gives the tensors of its results as a tuple, as one traces such models."""

    def __init__(self, model, names, results=2, **fixed):
        super().__init__()
        self.model, self.names, self.results, self.fixed = model, names, results, fixed

    def run(self, *values):
        out = self.model(**dict(zip(self.names, values)), **self.fixed)
        out = out.to_tuple() if hasattr(out, "to_tuple") else out
        out = [o for o in out if isinstance(o, torch.Tensor) and o.ndim > 1 and o.shape[0] == values[0].shape[0]]
        return tuple(out[:self.results]) if len(out) > 1 else out[0]


class FlatIds(Flat):
    def forward(self, input_ids):
        return self.run(input_ids)


class FlatIdsMask(Flat):
    def forward(self, input_ids, attention_mask):
        return self.run(input_ids, attention_mask)


class FlatSeq(Flat):
    def forward(self, input_ids, attention_mask, decoder_input_ids):
        return self.run(input_ids, attention_mask, decoder_input_ids)


class FlatPixels(Flat):
    def forward(self, pixel_values):
        return self.run(pixel_values)


class FlatWave(Flat):
    def forward(self, input_values):
        return self.run(input_values)


class FlatFeatures(Flat):
    def forward(self, input_features, decoder_input_ids):
        return self.run(input_features, decoder_input_ids)


class FlatBoth(Flat):
    def forward(self, input_ids, pixel_values, attention_mask):
        return self.run(input_ids, pixel_values, attention_mask)


def liven(model):
    """Weights that start at zero would hide what is before them."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.is_floating_point() and p.numel() > 1 and not p.any():
                nn.init.normal_(p, std=0.02)
    return model.eval()


def ids(samples=4, length=LENGTH, words=WORDS):
    return torch.randint(3, words, (samples, length))


def mask(samples=4, length=LENGTH):
    m = torch.ones(samples, length, dtype=torch.int64)
    m[1::2, length - 4:] = 0
    return m


def text(model_type, head, masked, more, fixed, length=LENGTH):
    config = shrink(model_type, SHRINK, more)
    model = liven(getattr(transformers, head).from_config(config))
    names = ["input_ids", "attention_mask"][:1 + masked]
    inputs = {"input_ids": ids(length=length, words=min(WORDS, getattr(config, "vocab_size", WORDS)))}
    if masked:
        inputs["attention_mask"] = mask(length=length)
    return {"module": (FlatIdsMask if masked else FlatIds)(model, names, **fixed), "inputs": inputs, "no_grad": True}


def seq2seq(model_type, more):
    config = shrink(model_type, SHRINK, {"decoder_start_token_id": 1, **more})
    model = liven(transformers.AutoModelForSeq2SeqLM.from_config(config))
    flat = FlatSeq(model, ["input_ids", "attention_mask", "decoder_input_ids"], 1, use_cache=False)
    return {"module": flat, "inputs": {"input_ids": ids(), "attention_mask": mask(), "decoder_input_ids": ids(length=7)}, "no_grad": True}


def vision(model_type, head, more, size, results=2):
    config = shrink(model_type, {**VISION, "image_size": size}, more)
    model = liven(getattr(transformers, head).from_config(config))
    channels = getattr(config, "num_channels", 3)
    return {"module": FlatPixels(model, ["pixel_values"], results), "inputs": {"pixel_values": torch.randn(4, channels, size, size)}, "no_grad": True}


def speech(model_type, head, more):
    config = shrink(model_type, SPEECH, more)
    model = liven(getattr(transformers, head).from_config(config))
    return {"module": FlatWave(model, ["input_values"], 1), "inputs": {"input_values": torch.randn(4, 1600)}, "no_grad": True}


def features(model_type, head, bins, frames, more):
    config = shrink(model_type, SHRINK, {"decoder_start_token_id": 1, **more})
    model = liven(getattr(transformers, head).from_config(config))
    shape = (4, bins, frames) if model_type == "whisper" else (4, frames, bins)
    flat = FlatFeatures(model, ["input_features", "decoder_input_ids"], 1, use_cache=False)
    return {"module": flat, "inputs": {"input_features": torch.randn(*shape), "decoder_input_ids": ids(length=6)}, "no_grad": True}


def two_towers(model_type, more):
    small_text = {k: v for k, v in SHRINK.items() if k in "hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size".split()}
    small_text.update(max_position_embeddings=32, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    kind = type(AutoConfig.for_model(model_type))
    config = kind(text_config=small_text, vision_config={k: VISION[k] for k in "hidden_size num_hidden_layers num_attention_heads intermediate_size image_size patch_size".split()}, **more)
    model = liven(transformers.AutoModel.from_config(config))
    class Towers(FlatBoth):
        def forward(self, input_ids, pixel_values, attention_mask):
            out = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask)
            return out.logits_per_text, out.text_embeds, out.image_embeds
    tokens = ids()
    tokens[:, -1] = 2
    return {"module": Towers(model, []), "no_grad": True,
            "inputs": {"input_ids": tokens, "pixel_values": torch.randn(4, 3, 32, 32), "attention_mask": torch.ones(4, LENGTH, dtype=torch.int64)}}


ENCODERS = """albert bert big_bird bert-generation camembert canine convbert data2vec-text deberta deberta-v2 distilbert electra ernie
esm eurobert flaubert fnet funnel ibert layoutlm longformer luke megatron-bert mobilebert modernbert mpnet mra nomic_bert nystromformer
rembert roberta roberta-prelayernorm roc_bert roformer splinter squeezebert xlm xlm-roberta xlm-roberta-xl xlnet xmod yoso""".split()

DECODERS = """apertus arcee bamba biogpt bitnet bloom codegen cohere cohere2 ctrl cwm dbrx deepseek_v2 deepseek_v3 diffllama doge dots1
ernie4_5 ernie4_5_moe exaone4 falcon falcon_h1 falcon_mamba flex_olmo gemma gemma2 gemma3_text glm glm4 glm4_moe gpt2 gpt_bigcode gpt_neo
gpt_neox gpt_neox_japanese gpt_oss gptj granite granitemoe granitemoehybrid granitemoeshared helium hunyuan_v1_dense hunyuan_v1_moe jamba
jetmoe lfm2 llama longcat_flash mamba mamba2 minimax ministral mistral mixtral modernbert-decoder mpt nanochat nemotron nemotron_h olmo
olmo2 olmo3 olmoe openai-gpt opt persimmon phi phi3 phimoe qwen2 qwen2_moe qwen3 qwen3_moe qwen3_next recurrent_gemma rwkv seed_oss
smollm3 stablelm starcoder2 xglm xlstm zamba zamba2 vaultgemma""".split()

SEQ2SEQ = "bart blenderbot blenderbot-small bigbird_pegasus fsmt led longt5 m2m_100 marian mbart mt5 mvp nllb-moe pegasus pegasus_x plbart prophetnet switch_transformers t5 umt5 t5gemma".split()

SPEECHES = "wav2vec2 hubert data2vec-audio sew sew-d unispeech unispeech-sat wavlm wav2vec2-conformer".split()

VISIONS = {  # model type: (head, size of image, what else)
    "vit": ("AutoModelForImageClassification", 32, {}),
    "deit": ("AutoModelForImageClassification", 32, {}),
    "beit": ("AutoModelForImageClassification", 32, {"use_relative_position_bias": True}),
    "data2vec-vision": ("AutoModelForImageClassification", 32, {}),
    "dinov2": ("AutoModel", 32, {}),
    "dinov2_with_registers": ("AutoModel", 32, {}),
    "dinov3_vit": ("AutoModel", 32, {}),
    "ijepa": ("AutoModel", 32, {}),
    "vit_msn": ("AutoModelForImageClassification", 32, {}),
    "yolos": ("AutoModelForObjectDetection", 32, {"image_size": [32, 32], "num_detection_tokens": 9}),
    "swin": ("AutoModelForImageClassification", 32, {"patch_size": 2, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4}),
    "swinv2": ("AutoModelForImageClassification", 32, {"patch_size": 2, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4}),
    "swin2sr": ("AutoModel", 32, {"patch_size": 1, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}),
    "convnext": ("AutoModelForImageClassification", 64, {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}),
    "convnextv2": ("AutoModelForImageClassification", 64, {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}),
    "resnet": ("AutoModelForImageClassification", 64, {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}),
    "regnet": ("AutoModelForImageClassification", 64, {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "groups_width": 8}),
    "bit": ("AutoModelForImageClassification", 64, {"embedding_size": 32, "hidden_sizes": [32, 64, 64, 96], "depths": [1, 1, 1, 1]}),
    "levit": ("AutoModelForImageClassification", 64, {"image_size": 64}),
    "cvt": ("AutoModelForImageClassification", 32, {"embed_dim": [16, 32, 48], "num_heads": [1, 2, 3], "depth": [1, 1, 2]}),
    "pvt": ("AutoModelForImageClassification", 64, {}),
    "pvt_v2": ("AutoModelForImageClassification", 64, {}),
    "poolformer": ("AutoModelForImageClassification", 64, {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}),
    "focalnet": ("AutoModelForImageClassification", 32, {"patch_size": 2, "embed_dim": 16, "depths": [1, 1], "hidden_sizes": [16, 32], "focal_levels": [2, 2], "focal_windows": [3, 3]}),
    "dinat": ("AutoModelForImageClassification", 32, {}),
    "efficientnet": ("AutoModelForImageClassification", 64, {}),
    "mobilenet_v1": ("AutoModelForImageClassification", 64, {}),
    "mobilenet_v2": ("AutoModelForImageClassification", 64, {}),
    "mobilevit": ("AutoModelForImageClassification", 64, {"patch_size": 2}),
    "mobilevitv2": ("AutoModelForImageClassification", 64, {"patch_size": 2}),
    "swiftformer": ("AutoModelForImageClassification", 64, {}),
    "textnet": ("AutoModelForImageClassification", 64, {}),
    "hiera": ("AutoModelForImageClassification", 64, {"image_size": [64, 64], "patch_size": [7, 7], "depths": [1, 1, 2, 1]}),
    "hgnet_v2": ("AutoModelForImageClassification", 64, {}),
    "segformer": ("AutoModelForSemanticSegmentation", 64, {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 16, 32, 32], "num_attention_heads": [1, 2, 2, 4], "decoder_hidden_size": 24}),
    "mobilevit-seg": ("AutoModelForSemanticSegmentation", 64, {"patch_size": 2}),
    "dpt": ("AutoModelForDepthEstimation", 32, {"num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8, 8, 16, 16], "fusion_hidden_size": 16, "is_hybrid": False, "reassemble_factors": [4, 2, 1, 0.5]}),
    "glpn": ("AutoModelForDepthEstimation", 64, {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 16, 32, 32], "num_attention_heads": [1, 2, 2, 4], "decoder_hidden_size": 16}),
    "vit_mae": ("AutoModel", 32, {"mask_ratio": 0.0}),
    "upernet": ("AutoModelForSemanticSegmentation", 64, {}),
    "imagegpt": ("AutoModel", 32, {}),
    "vitmatte": ("VitMatteForImageMatting", 32, {}),
    "detr": ("AutoModelForObjectDetection", 64, {"num_queries": 9, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}),
    "conditional_detr": ("AutoModelForObjectDetection", 64, {"num_queries": 9, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}),
    "deformable_detr": ("AutoModelForObjectDetection", 64, {"num_queries": 9, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}),
    "dab-detr": ("AutoModelForObjectDetection", 64, {"num_queries": 9, "hidden_size": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}),
    "table-transformer": ("AutoModelForObjectDetection", 64, {"num_queries": 9, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}),
    "rt_detr": ("AutoModelForObjectDetection", 64, {"num_queries": 9}),
    "d_fine": ("AutoModelForObjectDetection", 64, {"num_queries": 9}),
    "depth_anything": ("AutoModelForDepthEstimation", 56, {}),
    "superpoint": ("AutoModel", 64, {}),
    "owlvit-vision": ("AutoModel", 32, {}),
    "timesformer": ("AutoModel", 32, {"num_frames": 2}),
}

# What the shared names do not say. Keys: model type; values: arguments of the configuration.
MORE = {
    "canine": {"num_hash_buckets": 64, "local_transformer_stride": 4},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": 16},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    "big_bird": {"attention_type": "original_full"},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "funnel": {"block_sizes": [1, 1], "d_head": 16, "n_head": 4},
    "fnet": {"tpu_short_seq_length": LENGTH},
    "mobilebert": {"embedding_size": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32, "bottleneck": True},
    "convbert": {"conv_kernel_size": 3, "embedding_size": 32},
    "roc_bert": {"pronunciation_vocab_size": 50, "shape_vocab_size": 50, "enable_pronunciation": True, "enable_shape": True},
    "squeezebert": {"embedding_size": 64},
    "esm": {"vocab_size": WORDS, "mask_token_id": 5, "token_dropout": True, "position_embedding_type": "rotary"},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "ctrl": {"dff": 96},
    "xlnet": {"d_inner": 96, "d_head": 16},
    "bloom": {"n_embed": 64},
    "bamba": {"attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 16, "mamba_expand": 2},
    "falcon_h1": {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_ssm": 128, "mamba_n_groups": 1, "mamba_d_state": 16},
    "mamba": {"time_step_rank": 4},
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1, "state_size": 16},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8, "intermediate_size": 96},
    "gptj": {"rotary_dim": 8},
    "codegen": {"rotary_dim": 8},
    "dbrx": {"ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2}, "attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4}},
    "mpt": {"max_seq_len": 64, "expansion_ratio": 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1, "use_mamba_kernels": False},
    "rwkv": {"attention_hidden_size": 64, "context_length": 64},
    "recurrent_gemma": {"lru_width": 64, "attention_window_size": 8, "block_types": ["recurrent", "attention"]},
    "nllb-moe": {"num_experts": 4, "encoder_sparse_step": 2, "decoder_sparse_step": 2},
    "led": {"attention_window": 4},
    "longformer": {"attention_window": [4, 4]},
    "prophetnet": {"num_encoder_layers": 2, "num_decoder_layers": 2, "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4},
    "sew": {"conv_dim": (16, 16, 16)},
    "wav2vec2-conformer": {"position_embeddings_type": "relative"},
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 12, "conv_kernel_size": 3},
    "luke": {"entity_vocab_size": 30, "entity_emb_size": 16},
    "t5gemma": {},
    "yoso": {"num_hash": 4, "hash_code_len": 3, "use_expectation": True},
    "xlm": {"emb_dim": 64},
    "qwen3_next": {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8},
    "deepseek_v2": {"head_dim": 8},
    "deepseek_v3": {"head_dim": 8},
    "longcat_flash": {"head_dim": 8},
    "dots1": {"layer_types": ["full_attention", "full_attention"], "n_shared_experts": 1},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
}

LENGTHS = {"nystromformer": 12, "longformer": 16, "led": 16, "canine": 16, "funnel": 16, "reformer": 16}


def cases():
    more = lambda t: MORE.get(t, {})
    for t in ENCODERS:
        yield t, "traced", lambda t=t: text(t, "AutoModel", True, more(t), {}, LENGTHS.get(t, LENGTH))
    for t in "bert roberta distilbert albert deberta-v2 electra xlnet".split():
        yield t + "-classes", "traced", lambda t=t: text(t, "AutoModelForSequenceClassification", True, {**more(t), "num_labels": 5}, {})
        yield t + "-tags", "traced", lambda t=t: text(t, "AutoModelForTokenClassification", True, {**more(t), "num_labels": 5}, {})
        yield t + "-answers", "traced", lambda t=t: text(t, "AutoModelForQuestionAnswering", True, more(t), {})
    for t in "bert roberta albert deberta".split():
        yield t + "-words", "traced", lambda t=t: text(t, "AutoModelForMaskedLM", True, more(t), {})
        yield t + "-eager", "traced", lambda t=t: text(t, "AutoModel", True, {**more(t), "attn_implementation": "eager"}, {})
    yield "big_bird-sparse", "traced", lambda: text("big_bird", "AutoModel", True, {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1}, {}, 64)
    for t in DECODERS:
        yield t, "traced", lambda t=t: text(t, "AutoModelForCausalLM", True, more(t), {"use_cache": False, "results": 1})
    for t in "gpt2 llama opt mistral gemma qwen2 phi gpt_neox".split():
        yield t + "-unmasked", "traced", lambda t=t: text(t, "AutoModelForCausalLM", False, more(t), {"use_cache": False, "results": 1})
        yield t + "-classes", "traced", lambda t=t: text(t, "AutoModelForSequenceClassification", True, {**more(t), "num_labels": 5}, {"use_cache": False, "results": 1})
        yield t + "-eager", "traced", lambda t=t: text(t, "AutoModelForCausalLM", True, {**more(t), "attn_implementation": "eager"}, {"use_cache": False, "results": 1})
    for t in SEQ2SEQ:
        yield t, "traced", lambda t=t: seq2seq(t, more(t))
    for t in SPEECHES:
        yield t, "traced", lambda t=t: speech(t, "AutoModel", more(t))
        yield t + "-ctc", "traced", lambda t=t: speech(t, "AutoModelForCTC", more(t))
    yield "wav2vec2-layer-norm", "traced", lambda: speech("wav2vec2", "AutoModelForCTC", {"feat_extract_norm": "layer", "do_stable_layer_norm": True})
    for t, (head, size, extra) in VISIONS.items():
        yield t, "traced", lambda t=t, head=head, size=size, extra=extra: vision(t.replace("-seg", ""), head, extra, size)
    yield "whisper", "traced", lambda: features("whisper", "AutoModelForSpeechSeq2Seq", 20, 60, {"num_mel_bins": 20, "max_source_positions": 30, "max_target_positions": 20, "vocab_size": WORDS, "begin_suppress_tokens": None, "suppress_tokens": None})
    yield "speech_to_text", "traced", lambda: features("speech_to_text", "AutoModelForSpeechSeq2Seq", 20, 60, {"input_feat_per_channel": 20, "max_source_positions": 60, "max_target_positions": 20, "conv_channels": 32})
    for t in "clip siglip chinese_clip altclip align".split():
        yield t, "traced", lambda t=t: two_towers(t, {})
