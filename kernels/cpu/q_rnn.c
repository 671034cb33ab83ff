// One step of a recurrent cell whose gates were computed elsewhere (by dynamically quantised linear layers).
// The order of operations is PyTorch's; every instruction set gives the same bits.
#include "kernels/cpu/fast_math.h"
#include "kernels/isa.h"
#include "kernels/quant.h"

// gates: x and h hold i f g o one after the other, `units` each; c and h_out are overwritten.
ISA_INLINE void lstm_row_body(const float *x, const float *h, float *c, float *h_out, int64_t units)
{
    ISA_INDEPENDENT
    for (int64_t j = 0; j < units; j++) {
        float i = fast_sigmoid(h[j] + x[j]), f = fast_sigmoid(h[units + j] + x[units + j]);
        float g = fast_tanh(h[2 * units + j] + x[2 * units + j]), o = fast_sigmoid(h[3 * units + j] + x[3 * units + j]);
        c[j] = f * c[j] + i * g;
        h_out[j] = o * fast_tanh(c[j]);
    }
}
ISA_VARIANTS(lstm_row, (const float *x, const float *h, float *c, float *h_out, int64_t units), (x, h, c, h_out, units))

// gates: r z n.
ISA_INLINE void gru_row_body(const float *x, const float *h, float *h_out, int64_t units)
{
    ISA_INDEPENDENT
    for (int64_t j = 0; j < units; j++) {
        float r = fast_sigmoid(h[j] + x[j]), z = fast_sigmoid(h[units + j] + x[units + j]);
        float n = fast_tanh(x[2 * units + j] + h[2 * units + j] * r);
        h_out[j] = (h_out[j] - n) * z + n;
    }
}
ISA_VARIANTS(gru_row, (const float *x, const float *h, float *h_out, int64_t units), (x, h, h_out, units))

ISA_INLINE void plain_row_body(const float *x, const float *h, float *h_out, int64_t units, bool relu)
{
    ISA_INDEPENDENT
    for (int64_t j = 0; j < units; j++) {
        float v = h[j] + x[j];
        h_out[j] = relu ? (v > 0 ? v : 0) : fast_tanh(v);
    }
}
ISA_VARIANTS(plain_row, (const float *x, const float *h, float *h_out, int64_t units, bool relu), (x, h, h_out, units, relu))

void rnn_step_row(RnnMode mode, const float *x, const float *h, float *c, float *h_out, int64_t units)
{
    if (mode == RNN_LSTM)
        lstm_row(x, h, c, h_out, units);
    else if (mode == RNN_GRU)
        gru_row(x, h, h_out, units);
    else
        plain_row(x, h, h_out, units, mode == RNN_RELU);
}
