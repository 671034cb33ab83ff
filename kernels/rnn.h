// One layer of a recurrent network, one or both directions: what kernels/ computes of aten::lstm, gru and rnn_*.
#ifndef TSB_KERNELS_RNN_H
#define TSB_KERNELS_RNN_H

#include "kernels/kernel.h"

typedef enum RnnMode { RNN_TANH, RNN_RELU, RNN_LSTM, RNN_GRU } RnnMode;

// Inputs, in this order; T steps, N sequences, I features, H units, D directions, G gates (LSTM 4: i f g o; GRU 3: r z n; else 1),
// P = H, or the size of the projection of an LSTM that has one:
//   x [T, N, I] of any strides, h0 [D, N, P], c0 [D, N, H] (LSTM, else absent),
//   then per direction RNN_WEIGHTS operands: w_ih [G·H, I], w_hh [G·H, P], b_ih [G·H], b_hh [G·H] (both absent without
//   biases), w_hr [P, H] (absent without projection).
// Outputs: y [T, N, D·P], h [D, N, P], and for LSTM c [D, N, H]. y keeps the order of x's first two strides.
// The second direction runs backwards over the steps when `directions` is 2; `reverse` makes the only direction do so.
enum { RNN_X, RNN_H0, RNN_C0, RNN_FIRST_WEIGHT, RNN_WEIGHTS = 5, RNN_INPUTS_MAX = RNN_FIRST_WEIGHT + 2 * RNN_WEIGHTS };

typedef struct RnnParams {
    int32_t mode; // RnnMode
    int32_t directions;
    int32_t reverse;
    int32_t unused;
} RnnParams;
extern const KernelOp kernel_rnn_layer;

static inline int rnn_gates(int mode) { return mode == RNN_LSTM ? 4 : mode == RNN_GRU ? 3 : 1; }
// Shapes of the operands against each other, with PyTorch's messages (ST_RAISED).
Status rnn_check(const RnnParams *p, const View *in, int n_in);
// Signatures of the outputs; returns how many.
int rnn_outputs(const RnnParams *p, const View *in, View out[3]);

#endif
