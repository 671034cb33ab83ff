"""Cases of exported.py: one or two small models of every family of timm, random weights, small images."""
import timm
import torch

from zoo import disturb_batch_norms

SCRIPTED_TOO = """resnet18 mobilenetv3_small_050 efficientnet_lite0 regnetx_002 vit_tiny_patch16_224 test_vit test_convnext
test_byobnet test_efficientnet test_resnet test_nfnet deit_tiny_patch16_224 swin_tiny_patch4_window7_224 mixer_s32_224 levit_128s
convnext_atto densenet121 hrnet_w18_small res2net50_14w_8s dla46_c ghostnet_050 lcnet_035 pit_ti_224 cait_xxs24_224 coat_lite_tiny
xcit_nano_12_p16_224 poolformer_s12 edgenext_xx_small repvgg_a0 mobileone_s0 rexnet_100 selecsls42 cspresnet50 gernet_s fastvit_t8
mobilevit_xxs mobilevitv2_050 efficientformer_l1 tinynet_e pvt_v2_b0 crossvit_9_240 resmlp_12_224 gmlp_ti16_224 convmixer_768_32
vgg11 inception_v3 xception41 resnest14d skresnet18 legacy_seresnet18 tresnet_m test_maxvit hardcorenas_a fbnetv3_b
maxvit_rmlp_pico_rw_256 sequencer2d_s twins_svt_small volo_d1_224 visformer_tiny focalnet_tiny_srf hgnetv2_b0 mvitv2_tiny""".split()

TRACED = """beit_base_patch16_224 botnet26t_256 halonet26t lambda_resnet26t bat_resnext26ts gcresnext26ts regnetz_b16_evos convit_tiny
convnextv2_atto convnext_zepto_rms cpubone_nano crossvit_9_dagger_240 csatv2 cs3darknet_focus_s cspnext_tiny davit_tiny deit3_small_patch16_224
deit_tiny_distilled_patch16_224 densenetblur121d dpn48b efficientformerv2_s0 efficientnet_b0 efficientnet_b0_gn efficientnet_cc_b0_4e
efficientvim_m1 efficientvit_b0 efficientvit_l1 efficientvit_m0 eva02_tiny_patch14_224 fasternet_t0 gcvit_xxtiny ghostnetv2_100
ghostnetv3_050 hiera_tiny_224 hieradet_small iformer_t inception_next_atto inception_resnet_v2 inception_v4 lcnetv2_small lowformer_b0
mambaout_femto coatnet_nano_rw_224 coatnext_nano_rw_224 caformer_s18 convformer_s18 poolformerv2_s12 mobilenetv4_conv_small_035
mobilenetv4_hybrid_medium nest_tiny nextvit_small nf_regnet_b0 nf_resnet26 eca_nfnet_l0 rdnet_tiny regnety_002 regnetv_040 regnetz_005
repghostnet_050 repvit_m0_9 ecaresnet26t resnet26t resnet50_gn resnetaa34d resnetblur18 seresnet33ts resnetv2_18 resnetv2_50x1_bit
resnetv2_50d_frn resnetv2_50d_evos shvit_s1 starnet_s050 swiftformer_xs swinv2_tiny_window8_256 swinv2_cr_tiny_224 tiny_vit_5m_224
tnt_s_patch16_224 twins_pcpvt_small vit_small_r26_s32_224 vit_tiny_r_s16_p8_224 test_vit_relpos vit_relpos_small_patch16_224
vit_srelpos_small_patch16_224 test_vit2 test_vit3 test_vit4 flexivit_small vitamin_small_224 ese_vovnet19b_slim_dw test_mambaout
test_nfnet test_convnext2 test_convnext3 test_efficientnet_gn test_efficientnet_ln test_efficientnet_evos
vit_little_patch16_reg4_gap_256 vit_pwee_patch16_reg1_gap_256 vit_wee_patch16_reg1_gap_256 vit_small_patch14_dinov2
vit_small_patch16_dinov3 vit_base_patch32_siglip_256 vit_base_patch32_clip_224 vit_medium_patch16_rope_reg1_gap_256
vit_small_patch16_rope_224 naflexvit_base_patch16_gap qwen3_vit_88m deepseek_vit_412m gemma4_vit_167m
maxvit_nano_rw_256 tf_efficientnet_lite0 mobilenetv2_050 mnasnet_small semnasnet_075 spnasnet_100 fbnetc_100 mixnet_s
efficientnet_es mobilenetv5_base samvit_base_patch16 skresnext50_32x4d wide_resnet50_2 resnext50_32x4d""".split()

# Models whose size of image is settled; the others take 64 x 64, or what their windows divide.
SIZES = {"inception_v3": 96, "inception_v4": 96, "inception_resnet_v2": 96, "naflexvit_base_patch16_gap": 96}


def make(name, size):
    options = {}
    config = timm.get_pretrained_cfg(name)
    fixed = config.fixed_input_size if config else False
    own = config.input_size[-1] if config else 224
    if not size:
        size = SIZES.get(name, 64)
        if fixed:
            # The models with windows and position tables take img_size; 128 keeps every window whole.
            for wanted in (own // 7 * 2 if own % 7 == 0 else own // 2, own):
                try:
                    return make_with(name, {"img_size": wanted}, wanted)
                except (TypeError, AssertionError, RuntimeError, ValueError):
                    pass
            size = own
    return make_with(name, options, size)


def make_with(name, options, size):
    model = timm.create_model(name, pretrained=False, num_classes=20, **options)
    images = torch.randn(4, 3, size, size)
    disturb_batch_norms(model, images)
    with torch.no_grad():
        model.eval()(images[:1])
        for parameter in model.parameters():  # heads, gates and scales that start at zero would hide what is before them
            if parameter.numel() > 1 and not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
    return {"module": model, "inputs": {"x": images}}


def cases():
    for name in SCRIPTED_TOO:
        yield name, "traced scripted", lambda name=name: make(name, 0)
    for name in TRACED:
        yield name, "traced", lambda name=name: make(name, 0)
