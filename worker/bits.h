// Conjugate and negative views: what conj(), .mH or imag of a conjugate give shares the storage of its base, and bits of the
// tensor say that its elements are to be read conjugated or negated. Views of such a tensor carry the bits on; copies have
// none. Operators that do not declare OP_BITS never see a bit: bits_choose resolves what they read, and what they write to
// is changed over in its memory before and after.
#ifndef TSB_WORKER_BITS_H
#define TSB_WORKER_BITS_H

#include "worker/op.h"

// A copy without bits, its dimensions in the order of `t`.
Status tensor_resolve(Lane *lane, Tensor *t, Tensor **out);
// Changes the memory of `t` into what its bits say, or back.
void tensor_flip(const Tensor *t);

// Changes *fn when the operator would read or write a tensor with bits that it does not know; nested tensors:
// worker/nested.h.
Status bits_choose(Site *site, const IValue *args, uint32_t n, OpFn *fn);

#endif
