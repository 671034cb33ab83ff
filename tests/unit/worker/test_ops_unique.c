// Unique slices and segments, against what PyTorch 2.14 gives.
#include "op_rows.h"

static const OpRow unique_rows[] = {
    {"aten::_unique2; i64[6]{3, -1, 3, 2, 2, 3}; True; True; True", "i64[3](1) {-1, 2, 3} | i64[6](1) {2, 0, 2, 1, 1, 2} | i64[3](1) {1, 2, 3}"},
    {"aten::_unique2; i64[2,2]{900, -5, 900, 7}; True; True; True", "i64[3](1) {-5, 7, 900} | i64[2, 2](2, 1) {2, 0, 2, 1} | i64[3](1) {1, 1, 2}"},
    {"aten::_unique2; i64[0]; True; True; True", "i64[0](1) {} | i64[0](1) {} | i64[0](1) {}"},
    {"aten::_unique2; i16[4]{2, -1, 2, 2}; True; True; True", "i16[2](1) {-1, 2} | i64[4](1) {1, 0, 1, 1} | i64[2](1) {1, 3}"},
    {"aten::_unique2; bool[3]{1, 1, 0}; True; False; True", "bool[2](1) {0, 1} | i64[0](1) {} | i64[2](1) {1, 2}"},
    {"aten::_unique2; f16[4]{-1, -1.0009765625, -1, -1}; True; True; True", "~f16[2](1) {-1.00097656, -1} | i64[4](1) {1, 0, 1, 1} | i64[2](1) {1, 3}"},
    {"aten::_unique2; bf16[4]{nan, 1, nan, 1}; True; False; True", "bf16[3](1) {1, nan, nan} | i64[0](1) {} | i64[3](1) {2, 1, 1}"},
    {"aten::_unique2; f16[4]{0, -0, 0, -0}; True; False; True", "f16[1](1) {0} | i64[0](1) {} | i64[1](1) {4}"},
    {"aten::unique_consecutive; f32[6]{0, -0, nan, nan, 1, 1}; True; True; None", "f32[4](1) {0, nan, nan, 1} | i64[6](1) {0, 0, 1, 2, 3, 3} | i64[4](1) {2, 1, 1, 2}"},
    {"aten::unique_consecutive; f16[3]{0, -0, 1}; False; False; None", "f16[2](1) {0, 1} | i64[0](1) {} | i64[0](1) {}"},
    {"aten::unique_consecutive; c64[3]{1+2j, 1+2j, 1}; False; True; None", "c64[2](1) {1+2j, 1+0j} | i64[0](1) {} | i64[2](1) {2, 1}"},
    {"aten::unique_consecutive; c128[3]{1+2j, 1+2j, 1}; False; True; None", "c128[2](1) {1+2j, 1+0j} | i64[0](1) {} | i64[2](1) {2, 1}"},
    {"aten::unique_dim; i64[3,3]{3, 1, 1, 2, 1, 1, 3, 1, 1}; 0; True; True; True", "i64[2, 3](3, 1) {2, 1, 1, 3, 1, 1} | i64[3](1) {1, 0, 1} | i64[2](1) {1, 2}"},
    {"aten::unique_dim; i64[3,3]{3, 1, 1, 2, 1, 1, 3, 1, 1}; 1; True; True; False", "i64[3, 2](1, 3) {1, 3, 1, 2, 1, 3} | i64[3](1) {1, 0, 0} | i64[2](1) {2, 1}"},
    {"aten::unique_dim; f32[2,2]{nan, 1, nan, 1}; 0; True; False; True", "f32[2, 2](2, 1) {nan, 1, nan, 1} | i64[2](1) {0, 1} | i64[2](1) {1, 1}"},
    {"aten::unique_dim; f32[0,3]; 1; True; False; False", "! There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"},
    {"aten::unique_dim; c64[2]; 0; True; False; False", "! \"unique_dim\" not implemented for 'ComplexFloat'"},
    {"aten::unique_consecutive; i64[3,3]{3, 1, 1, 2, 1, 1, 3, 1, 1}; True; True; 1", "i64[3, 2](1, 3) {3, 1, 2, 1, 3, 1} | i64[3](1) {0, 1, 1} | i64[2](1) {1, 2}"},
    {"aten::unique_consecutive; i64[5]{1, 1, 2, 1, 1}; True; True; None", "i64[3](1) {1, 2, 1} | i64[5](1) {0, 0, 1, 2, 2} | i64[3](1) {2, 1, 2}"},
    {"aten::unique_consecutive; i64[2]{1, 1}; False; False; 0", "i64[1](1) {1} | i64[0](1) {} | i64[0](1) {}"},
    {"aten::_unique; i64[3]{3, 1, 3}; True; True", "i64[2](1) {1, 3} | i64[3](1) {1, 0, 1}"},
};

static const OpRow segment_rows[] = {
    {"aten::segment_reduce; f32[4]{1, 2, 3, 4}; 'mean'; i64[3]{1, 0, 3}; None; None; 0; False; None", "f32[3](1) {1, nan, 3}"},
    {"aten::segment_reduce; f32[4]{1, 2, 3, 4}; 'mean'; i64[3]{1, 0, 3}; None; None; 0; False; 5", "~f32[3](1) {6, 5, 4.66666651}"},
    {"aten::segment_reduce; f32[4]{1, nan, 3, 4}; 'max'; i64[3]{1, 0, 3}; None; None; 0; False; None", "f32[3](1) {1, -inf, nan}"},
    {"aten::segment_reduce; f64[4]{1, 2, 3, 4}; 'prod'; None; None; i64[3]{0, 2, 4}; 0; False; 2", "f64[2](1) {4, 24}"},
    {"aten::segment_reduce; f32[2,2]; 'sum'; i32[2]{1, 1}; None; None; 0; False; None", "f32[2, 2](2, 1) {0, 1, 2, 3}"},
    {"aten::segment_reduce; f32[4]; 'sum'; i64[2]{1, 2}; None; None; 0; False; None", "! sum to data.size(lengths.dim()-1) when !unsafe."},
    {"aten::segment_reduce; f32[4]; 'sum'; i64[2]{7, -3}; None; None; 0; True; None", "! sum to data.size"},
    {"aten::segment_reduce; f32[4]; 'sum'; None; None; i64[2]{0, 9}; 0; True; None", "! offsets are not ascending positions in the data"},
    {"aten::segment_reduce; f32[4]; 'middle'; i64[2]{1, 3}; None; None; 0; False; None", "! got middle"},
    {"aten::segment_reduce; i64[4]; 'sum'; i64[2]{1, 3}; None; None; 0; False; None", "! \"_segment_reduce_cpu\" not implemented for 'Long'"},
};
ROWS_TEST(uniques, unique_rows)
ROWS_TEST(segments, segment_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(uniques), cmocka_unit_test(segments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
