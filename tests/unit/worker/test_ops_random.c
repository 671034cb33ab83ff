// Random numbers and dropout after seed 0, against what PyTorch 1.13 gives.
#include "op_rows.h"

static const OpRow rows[] = {
    {"aten::manual_seed; 0", ""},
    {"aten::rand; [4]; None; None; None; None", "f32[4](1) {0.49625659, 0.768221796, 0.0884774327, 0.132030487}"},
    {"aten::rand; [2]; 7; None; None; None", "f64[2](1) {0.45938294312745087, 0.92074768412196029}"},
    {"aten::rand; [3]; 5; None; None; None", "f16[3](1) {0.504394531, 0.853027344, 0.135253906}"},
    {"aten::rand; [3]; 15; None; None; None", "bf16[3](1) {0.9453125, 0.140625, 0.33984375}"},
    {"aten::rand; [2]; 4; None; None; None", "! \"check_uniform_bounds\" not implemented for 'Long'"},
    {"aten::manual_seed; 0", ""},
    {"aten::randn; [4]; None; None; None; None", "f32[4](1) {1.54099607, -0.293428898, -2.17878938, 0.568431258}"},
    {"aten::randn; [3]; None; None; None; None", "f32[3](1) {-1.08452237, -1.39859545, 0.403346837}"},
    {"aten::randn; [17]; None; None; None; None", "~f32[17](1) {-1.35265374, 0.0315927416, -0.492676973, 0.248414755, 0.439695835, 0.112411186, 0.64079237, 0.441156268, -0.215863258, 0.792443991, -0.289667696, 0.0525074862, 0.522860467, 2.30220532, -1.46889389, -1.58668876, 1.20322371}"},
    {"aten::randn; [5]; 7; None; None; None", "f64[5](1) {0.83802633299765983, 1.6881014799632472, -2.1574506562929066, -1.3927414095216692, -0.36106599673776368}"},
    {"aten::randn; [5]; 15; None; None; None", "bf16[5](1) {1.875, -1.3828125, -0.53125, -0.431640625, -2.28125}"},
    {"aten::manual_seed; 0", ""},
    {"aten::randn; [20]; 7; None; None; None", "f64[20](1) {-2.310411800234176, -0.3732508612577643, -1.0608166785462863, 0.99950935478117608, -0.019964750907762653, 0.2102998901016947, 0.17718935139366584, -0.83051005100844899, 0.23871805816817063, 0.73352836852728409, -1.3218818291421377, 1.3148113651971234, -0.68700369404354633, 1.4880743158106724, -0.44841580471145109, -0.89100303517073753, 0.67485754359400385, 1.0468653769814655, 0.15429517864658948, -0.74989152283919414}"},
    {"aten::manual_seed; 0", ""},
    {"aten::randn; [18]; 5; None; None; None", "f16[18](1) {-0.900878906, 0.481201172, 0.280029297, -0.0703735352, -1.39355469, 0.772460938, -0.214233398, 0.398681641, 1.66503906, -1.0234375, -0.504882812, 0.915527344, 0.854003906, 0.173461914, 0.202270508, -0.13659668, 0.61328125, 0.152099609}"},
    {"aten::manual_seed; 0", ""},
    {"aten::randn; [18]; 15; None; None; None", "bf16[18](1) {1.4609375, 0.291015625, -0.435546875, 1.3671875, -0.671875, -0.110839844, 0.89453125, -1.3359375, -0.875, 0.32421875, -0.57421875, 0.9609375, 2.03125, 0.5625, 0.200195312, -0.69921875, 0.283203125, -0.80859375}"},
    {"aten::manual_seed; 0", ""},
    {"aten::randint; 10; [5]; 4; None; None; None", "i64[5](1) {4, 9, 3, 0, 3}"},
    {"aten::randint.low; -5; 5; [4]; 6; None; None; None", "f32[4](1) {4, 2, -2, 2}"},
    {"aten::randint; 1099511627776; [3]; 4; None; None; None", "i64[3](1) {909012193557, 1041261508388, 377492290630}"},
    {"aten::randint; 255; [4]; 0; None; None; None", "u8[4](1) {41, 156, 108, 254}"},
    {"aten::randint; 300; [4]; 0; None; None; None", "! to - 1 is out of bounds"},
    {"aten::randint.low; 5; 5; [2]; 4; None; None; None", "! random_ expects 'from' to be less than 'to', but got from=5 >= to=5"},
    {"aten::manual_seed; 0", ""},
    {"aten::randperm; 6; 4; None; None; None", "i64[6](1) {2, 5, 3, 0, 1, 4}"},
    {"aten::randperm; 20; 3; None; None; None", "i32[20](1) {19, 6, 3, 9, 7, 16, 1, 10, 11, 17, 5, 8, 4, 2, 13, 12, 0, 15, 18, 14}"},
    {"aten::manual_seed; 0", ""},
    {"aten::dropout; f32[10]{1,1,1,1,1,1,1,1,1,1}; 0.5; True", "f32[10](1) {0, 0, 2, 0, 0, 0, 2, 2, 0, 2}"},
    {"aten::dropout; f32[8]; 0.3; True", "f32[8](1) {0, 1.42857146, 2.85714293, 4.28571415, 5.71428585, 7.14285755, 8.5714283, 10}"},
    {"aten::dropout; f64[8]; 0.3; True", "f64[8](1) {0, 0, 2.8571428571428572, 4.2857142857142856, 5.7142857142857144, 7.1428571428571432, 8.5714285714285712, 10}"},
    {"aten::dropout; f32[3]; 0.5; False", "f32[3](1) {0, 1, 2}"},
    {"aten::dropout; f32[3]; 0.0; True", "f32[3](1) {0, 1, 2}"},
    {"aten::dropout; f32[3]; 1.0; True", "f32[3](1) {0, 0, 0}"},
    {"aten::dropout; f32[3]; 1.5; True", "! dropout probability has to be between 0 and 1, but got 1.5"},
    {"aten::dropout; f32[3,4].t; 0.5; True", "f32[4, 3](1, 4) {0, 0, 0, 2, 0, 0, 4, 12, 20, 0, 0, 22}"},
    {"&aten::dropout_; f32[6]; 0.5; True", "f32[6](1) {0, 2, 4, 6, 0, 10}"},
    {"aten::manual_seed; 0", ""},
    {"aten::feature_dropout; f32[2,3,2,2]; 0.5; True", "f32[2, 3, 2, 2](12, 4, 2, 1) {0, 0, 0, 0, 0, 0, 0, 0, 16, 18, 20, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}"},
    {"aten::feature_dropout; f32[3]; 0.5; True", "! Feature dropout requires at least 2 dimensions in the input"},
    {"aten::alpha_dropout; f32[6]; 0.4; True", "f32[6](1) {0.607094646, 1.47037721, 2.33365989, 3.19694233, 4.06022501, 4.92350769}"},
    {"aten::alpha_dropout; f64[6]; 0.4; True", "f64[6](1) {0.60709464636989297, -0.91064196955483934, 2.333659898585057, 3.1969425246926386, 4.0602251508002212, 4.9235077769078028}"},
    {"aten::feature_alpha_dropout; f32[2,2,2]; 0.4; True", "f32[2, 2, 2](4, 2, 1) {-0.910642028, -0.910642028, -0.910642028, -0.910642028, 4.06022501, 4.92350769, -0.910642028, -0.910642028}"},
    {"aten::manual_seed; 0", ""},
    {"aten::bernoulli; f32[8]{0.3,0.3,0.3,0.3,0.3,0.3,0.3,0.3}; None", "f32[8](1) {0, 0, 1, 1, 0, 0, 0, 0}"},
    {"aten::bernoulli; f64[5]{0.3,0.3,0.3,0.3,0.3}; None", "f64[5](1) {0, 0, 1, 0, 0}"},
    {"&aten::bernoulli_.float; f32[8]; 0.3; None", "f32[8](1) {1, 0, 1, 0, 0, 0, 0, 0}"},
    {"&aten::bernoulli_.Tensor; f32[5]; f32[5]{0.1,0.9,0.5,0.5,0.5}; None", "f32[5](1) {0, 1, 1, 0, 0}"},
    {"&aten::bernoulli_.float; i64[5]; 0.5; None", "i64[5](1) {0, 0, 1, 0, 1}"},
    {"aten::bernoulli.p; f32[5]; 0.5; None", "f32[5](1) {0, 0, 0, 0, 0}"},
    {"&aten::bernoulli_.float; f32[2]; 2.0; None", "! bernoulli_ expects p to be in [0, 1], but got p=2"},
    {"aten::manual_seed; 0", ""},
    {"&aten::uniform_; f32[5]; -1.0; 2.0; None", "f32[5](1) {0.48876977, 1.30466533, -0.734567702, -0.603908539, -0.0777315497}"},
    {"&aten::uniform_; f64[3]; -1.0; 2.0; None", "f64[3](1) {-0.78211086528323548, -0.48532568408756716, -0.8246484099949144}"},
    {"&aten::uniform_; f32[2,3].t; 0.0; 1.0; None", "f32[3, 2](1, 3) {0.401717305, 0.29388845, 0.0223257542, 0.518521786, 0.168858945, 0.697667599}"},
    {"&aten::uniform_; f32[2]; 2.0; 1.0; None", "! uniform_ expects to return a [from, to) range, but found from=2 > to=1"},
    {"aten::manual_seed; 0", ""},
    {"&aten::exponential_; f32[5]; 2.0; None", "f32[5](1) {1.75416315, 0.615192354, 0.307522058, 1.26755929, 0.517852724}"},
    {"&aten::exponential_; f64[3]; 0.5; None", "f64[3](1) {3.1322577911695042, 0.39350519077025453, 0.86497681428999773}"},
    {"&aten::geometric_; f32[5]; 0.3; None", "f32[5](1) {2, 4, 3, 5, 3}"},
    {"&aten::cauchy_; f32[4]; 1.0; 2.0; None", "f32[4](1) {1.80573666, 0.885826349, 0.62368983, 0.400377721}"},
    {"&aten::log_normal_; f32[4]; 1.0; 2.0; None", "f32[4](1) {6.15602636, 46.6576004, 3.66487408, 0.71054709}"},
    {"&aten::normal_; f32[4]; 1.0; 2.0; None", "f32[4](1) {0.571627676, 0.136062279, -0.415755361, 0.787131965}"},
    {"&aten::normal_; f32[5,4].t; 0.0; 1.0; None", "f32[4, 5](1, 4) {-1.24273169, 0.25498274, 0.657707572, -1.77029157, 1.60594571, -0.476231575, 1.80424845, 0.938656688, 0.214272946, 0.427855879, -0.68591845, -0.450237513, 1.13173068, -0.53821671, -0.677637517, -1.50514174, -0.483032078, -0.645473003, 0.587993205, 1.04219115}"},
    {"&aten::normal_; f32[2]; 0.0; -1.0; None", "! normal expects std >= 0.0, but found std -1"},
    {"aten::manual_seed; 0", ""},
    {"&aten::random_; f32[4]; None", "f32[4](1) {8325664, 12888472, 1484222, 2214888}"},
    {"&aten::random_; i64[3]; None", "i64[3](1) {1895649597198586619, 827948490035658087, 7815051614634499795}"},
    {"&aten::random_; i8[5]; None", "i8[5](1) {21, 114, 36, 87, 70}"},
    {"&aten::random_; bool[6]; None", "bool[6](1) {0, 0, 0, 0, 1, 0}"},
    {"&aten::random_; f64[3]; None", "f64[3](1) {2896283402871256, 8946376367626882, 3812358681256833}"},
    {"&aten::random_; f16[3]; None", "f16[3](1) {1097, 1449, 1455}"},
    {"&aten::random_.to; i32[4]; 100; None", "i32[4](1) {81, 12, 63, 60}"},
    {"&aten::random_.from; f32[4]; 5; 9; None", "f32[4](1) {8, 6, 7, 8}"},
    {"&aten::random_.from; i64[3]; 5; None; None", "i64[3](1) {6825519351450175946, 8828950082402279533, 5518501468007070907}"},
    {"aten::manual_seed; 0", ""},
    {"aten::_standard_gamma; f32[8]{0.1, 0.5, 0.9, 1, 1.5, 3, 20, 1000}; None", "~f32[8](1) {3.12923564e-16, 0.0441509187, 0.624197304, 1.96435297, 1.67600226, 4.28605223, 15.7365236, 1011.4657}"},
    {"aten::_standard_gamma; f64[8]{0.1, 0.5, 0.9, 1, 1.5, 3, 20, 1000}; None", "~f64[8](1) {2.4176969263803648e-07, 0.8058523936653188, 0.17870069449040085, 0.20689002380899293, 1.8213033041615352, 1.0462824532823485, 11.37678922887179, 1007.8774898820733}"},
    {"aten::_standard_gamma; f32[2,3].t; None", "~f32[3, 2](2, 1) {1.17549435e-38, 3.13844776, 0.162906736, 3.65225291, 0.742884398, 5.08794498}"},
    {"aten::_standard_gamma; f32[2]{0, 0}; None", "f32[2](1) {1.17549435e-38, 1.17549435e-38}"},
    {"aten::_standard_gamma; f16[2]{1, 2}; None", "! \"gamma_cpu\" not implemented for 'Half'"},
    {"aten::_sample_dirichlet; f32[2,3]{0.1, 0.5, 0.9, 1, 1.5, 3}; None", "~f32[2, 3](3, 1) {5.77407462e-11, 0.238307372, 0.761692643, 0.121798009, 0.196302444, 0.681899548}"},
    {"aten::_sample_dirichlet; f64[2,3]{0.1, 0.5, 0.9, 1, 1.5, 3}; None", "~f64[2, 3](3, 1) {0.00012484341686944895, 0.73505576542880602, 0.26481939115432462, 0.24837142839599152, 0.21015175418435636, 0.54147681741965203}"},
    {"aten::_sample_dirichlet; f32[3]{0.00001, 0.00001, 0.00001}; None", "~f32[3](1) {0.333333343, 0.333333343, 0.333333343}"},
    {"aten::manual_seed; 0", ""},
    {"aten::binomial; f32[8]{10, 20, 30, 100, 1000, 5, 0, 40}; f32[8]{0.1, 0.5, 0.9, 0.3, 0.77, 1, 0.4, 0}; None", "f32[8](1) {2, 12, 27, 25, 765, 5, 0, 0}"},
    {"aten::binomial; f64[8]{10, 20, 30, 100, 1000, 5, 0, 40}; f64[8]{0.1, 0.5, 0.9, 0.3, 0.77, 1, 0.4, 0}; None", "f64[8](1) {1, 8, 27, 30, 768, 5, 0, 0}"},
    {"aten::binomial; f32[6]{25, 33, 47, 1e6, 1e7, 12}; f32[6]{0.5, 0.4, 0.6, 0.001, 0.7, 0.99}; None", "f32[6](1) {14, 11, 27, 963, 6997549, 12}"},
    {"aten::binomial; f32[3,2].t; f32[2,3]{0.5, 0.5, 0.5, 0.5, 0.5, 0.5}; None", "f32[2, 3](3, 1) {0, 1, 1, 1, 2, 1}"},
    {"aten::binomial; f32[2]{3, 4}; f64[2]{0.5, 0.5}; None", "! Found dtype Double but expected Float"},
    {"aten::binomial; f32[1]{3}; f32[1]{nan}; None", "f32[1](1) {nan}"},
    {"aten::manual_seed; 0", ""},
    {"aten::rrelu_with_noise_functional; f32[3]{-1, 2, -3}; f32[3]; 0.1; 0.3; True; None", "~f32[3](1) {-0.294010609, 2, -0.724691927} | f32[3](1) {0.294010609, 1, 0.241563976}"},
    {"aten::rrelu_with_noise_functional; f32[3]{-1, 2, -3}; f32[3]; 0.1; 0.3; False; None", "~f32[3](1) {-0.200000003, 2, -0.600000024} | f32[3](1) {0, 1, 2}"},
    {"aten::rrelu_with_noise.out; f32[3]{-1, 2, -3}; f32[3]; 0.1; 0.3; True; None; f32[3]", "~f32[3](1) {-0.19187659, 2, -0.852448702}"},
    {"aten::manual_seed; 0", ""},
    {"aten::normal.out; f32[2,3]; 1.0; 2.0; None; f32[2,3]", "~f32[2, 3](3, 1) {4.08199215, 0.413142174, -3.35757875, 2.13686252, -1.16904473, -1.79719079}"},
    {"aten::manual_seed; 0", ""},
    {"aten::multinomial; f32[4]{0.1,0.2,0.3,0.4}; 3; False; None", "i64[3](1) {2, 1, 3}"},
    {"aten::multinomial; f32[2,4]{0.1,0.2,0.3,0.4,4,3,2,1}; 5; True; None", "i64[2, 5](5, 1) {3, 3, 1, 2, 2, 0, 1, 0, 0, 1}"},
    {"aten::multinomial; f32[4]{0.1,0.2,0.3,0.4}; 1; False; None", "i64[1](1) {3}"},
    {"aten::multinomial; f64[4]{0.1,0.2,0.3,0.4}; 1; True; None", "i64[1](1) {2}"}, // 2.14: as without replacement; 1.13 gives 3
    {"aten::multinomial; f32[2]{0,0}; 1; False; None", "! invalid multinomial distribution (sum of probabilities <= 0)"},
    {"aten::multinomial; f32[2]{1,-1}; 1; False; None", "! probability tensor contains either `inf`, `nan` or element < 0"},
    {"aten::multinomial; f32[2]{1,1}; 3; False; None", "! cannot sample n_sample > prob_dist.size(-1) samples without replacement"},
    {"aten::multinomial; i64[2]{1,1}; 1; False; None", "! multinomial only supports floating-point dtypes for input, got: Long"},
    {"aten::manual_seed; 0", ""},
    {"aten::normal.Tensor_Tensor; f32[3]{1,2,3}; f32[3]{0.1,0.2,0.3}; None", "f32[3](1) {1.15409958, 1.94131422, 2.34636307}"},
    {"aten::normal.Tensor_float; f32[3]; 0.5; None", "f32[3](1) {0.284215629, 0.457738817, 1.30070233}"},
    {"aten::normal.float_Tensor; 1.0; f32[2]{1,2}; None", "f32[2](1) {1.40334678, 2.67605257}"},
    {"aten::normal.float_float; 1.0; 2.0; [4]; None; None; None; None; None", "f32[4](1) {-0.438515157, 0.193312943, -0.193270728, 1.36407292}"},
    {"aten::manual_seed; 0", ""},
    {"aten::poisson; f32[4]{0.5,3,12,50}; None", "f32[4](1) {2, 4, 13, 49}"},
    {"aten::rrelu; f32[4]{-1,2,-3,4}; 0.1; 0.3; True; None", "f32[4](1) {-0.17105335, 2, -0.673143148, 4}"},
    {"aten::rrelu; f32[4]{-1,2,-3,4}; 0.1; 0.3; False; None", "f32[4](1) {-0.200000003, 2, -0.600000024, 4}"},
    {"aten::rand_like; f32[2,3].t; None; None; None; None; None", "f32[3, 2](1, 3) {0.18523103, 0.932000399, 0.373417377, 0.175910175, 0.305100024, 0.269833565}"},
    {"aten::randn_like; f32[2]; 7; None; None; None; None", "f64[2](1) {0.40871574568577435, 1.4214179052819822}"},
    {"aten::randint_like; f32[4]; 10; None; None; None; None; None", "f32[4](1) {1, 8, 8, 3}"},
    {"aten::randint_like.low_dtype; f32[4]; 5; 10; 4; None; None; None; None", "i64[4](1) {6, 9, 6, 7}"},
    {"aten::dropout; i64[3]; 0.5; True", "! result type Float can't be cast to the desired output type Long"},
    {"aten::bernoulli; f32[1]{2}; None", "! Expected p_in >= 0 && p_in <= 1 to be true, but got false."},
};
ROWS_TEST(test_rows, rows)

// The key of a sample: sample 0 is torch.manual_seed, the others differ, and nothing drawn before matters.
static void test_keys(void **state)
{
    (void)state;
    Generator *g;
    assert_int_equal(generator_new(5, &g), ST_OK);
    generator_key(g, 0, 0);
    assert_true(random_uniform_f32(g) == 0.49625658988952637f);
    generator_key(g, 0, 1);
    uint32_t first = random_u32(g), second = random_u32(g);
    random_normal(g, 0, 1);
    generator_key(g, 0, 2);
    assert_int_not_equal(random_u32(g), first);
    generator_key(g, 1, 1);
    assert_int_not_equal(random_u32(g), first);
    generator_key(g, 0, 1);
    assert_int_equal(random_u32(g), first);
    assert_int_equal(random_u32(g), second);
    // The 10000th output of MT19937 seeded with 5489, the number the C++ standard gives.
    generator_seed(g, 5489);
    uint32_t last = 0;
    for (int i = 0; i < 10000; i++)
        last = random_u32(g);
    assert_int_equal(last, 4123659995u);
    value_release((IValue){.tag = TAG_GENERATOR, .as.obj = &g->head});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
