// Quantiles, medians without NaN and modes, against what PyTorch 2.14 gives.
#include "op_rows.h"

static const OpRow quantile_rows[] = {
    {"aten::quantile; f32[2,4]{4, 1, 3, 2, nan, 7, 5, 6}; f32[2]{0.25, 0.5}; 1; False; 'linear'", "f32[2, 2](1, 2) {1.75, nan, 2.5, nan}"},
    {"aten::nanquantile.scalar; f32[2,4]{4, 1, 3, 2, nan, 7, 5, 6}; 0.5; 1; True; 'linear'", "f32[2, 1](1, 1) {2.5, 6}"},
    {"aten::nanquantile.scalar; f32[2,4]{4, 1, 3, 2, nan, 7, 5, 6}; 0.4; None; True; 'midpoint'", "f32[1, 1](1, 1) {3.5}"},
    {"aten::quantile.scalar; f64[3]{3, 1, 2}; 0.3; -1; False; 'nearest'", "f64[]() {2}"},
    {"aten::quantile.scalar; f64[3]{3, 1, 2}; 0.3; -1; False; 'lower'", "f64[]() {1}"},
    {"aten::quantile.scalar; f64[3]{3, 1, 2}; 0.3; -1; False; 'higher'", "f64[]() {2}"},
    {"aten::quantile.scalar; f32[2]; 1.5; None; False; 'linear'", "! quantile() q must be in the range [0, 1] but got 1.5"},
    {"aten::quantile; f32[2]; f32[1]{2}; None; False; 'linear'", "! quantile() q values must be in the range [0, 1]"},
    {"aten::quantile.scalar; i64[2]; 0.5; None; False; 'linear'", "! quantile() input tensor must be either float or double dtype"},
    {"aten::quantile.scalar; f32[0]; 0.5; None; False; 'linear'", "! quantile() input tensor must be non-empty"},
    {"aten::quantile.scalar; f32[2]; 0.5; None; False; 'cubic'", "! interpolation must be one of linear, lower, higher, midpoint or nearest, but got cubic"},
    {"aten::nanmedian; f32[4]{nan, 7, 5, 6}", "f32[]() {6}"},
    {"aten::nanmedian; f32[2]{nan, nan}", "f32[]() {nan}"},
    {"aten::nanmedian.dim; f32[2,3]{nan, 7, 5, 1, 3, 2}; 1; True", "f32[2, 1](1, 1) {5, 2} | i64[2, 1](1, 1) {2, 2}"},
    {"aten::nanmedian.dim; f32[2,0]; 1; True", "! nanmedian(): Expected reduction dim 1 to have non-zero size."},
    {"aten::mode; i64[2,5]{3, 1, 1, 2, 3, 5, 4, 4, 4, 5}; -1; False", "i64[2](1) {1, 4} | i64[2](1) {2, 3}"},
    {"aten::mode; f32[3]{nan, 2, nan}; 0; True", "f32[1](1) {2} | i64[1](1) {1}"},
    {"aten::mode; f32[0]; 0; False", "! mode(): Expected reduction dim 0 to have non-zero size."},
};
ROWS_TEST(quantiles, quantile_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantiles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
