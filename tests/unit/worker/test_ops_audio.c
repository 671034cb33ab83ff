// torchaudio's operators, as rows of text; the numbers are torchaudio 2.11's.
#include "op_rows.h"

static const OpRow filter_rows[] = {
    {"torchaudio::_lfilter_core_loop; f32[1,1,4]{1, 0, 0, 0}; f32[1,2]{-0.5, 1}; f32[1,1,5]{0, 0, 0, 0, 0}", "f32[1, 1, 5](5, 5, 1) {0, 1, 0.5, 0.25, 0.125}"},
    {"&torchaudio::_lfilter_core_loop; f32[1,1,4]; f32[1,2]{-0.5, 1}; f32[1,1,5]{0, 0, 0, 0, 0}", "f32[1, 1, 4](4, 4, 1) {0, 1, 2, 3}"},
    {"torchaudio::_lfilter_core_loop; f64[2,2,2]; f64[2,3]{1, 0.5, 1, 0, -1, 1}; f64[2,2,4]{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}",
     "f64[2, 2, 4](8, 4, 1) {0, 0, 0, 1, 0, 0, 2, 5, 0, 0, 4, 3, 0, 0, 6, 13}"},
    {"torchaudio::_lfilter_core_loop; f32[1,1,4]; f32[1,2]; f32[1,1,4]", "! do not fit"},
    {"torchaudio::_lfilter_core_loop; f32[1,1,4]; f64[1,2]; f32[1,1,5]", "! must have the same dtype"},
    {"torchaudio::_lfilter_core_loop; i64[1,1,4]; i64[1,2]; i64[1,1,5]", "! not implemented for 'Long'"},
    {"torchaudio::_lfilter_core_loop; f32[4]; f32[1,2]; f32[5]", "! expected waves [batch, channel, time] and coefficients [channel, order]"},
};
ROWS_TEST(filters, filter_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(filters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
