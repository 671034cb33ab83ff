// Generator: PyTorch's CPU random numbers (MT19937), bit by bit (torchscript.md §7.8).
//
// A job keys the generator by (seed, sample): before a batch the coordinator calls generator_key with the index of its
// first sample, so that what is drawn does not depend on which rank or lane runs the batch. Sample 0 draws what PyTorch
// draws after torch.manual_seed(seed); the others start from a mix of both numbers.
#ifndef TSB_WORKER_RANDOM_H
#define TSB_WORKER_RANDOM_H

#include "worker/lane.h"

enum { MT_WORDS = 624 };

struct Generator {
    Counted head;         // a value of a program too (torch.Generator)
    uint64_t seed;        // as given
    bool started;         // `state` is filled; done at the first draw, since many models never draw
    bool has_normal;      // the second of a pair of normal numbers waits in `normal`
    int next;             // word of `state` to hand out next
    uint32_t state[MT_WORDS];
    double normal;
};

Status generator_new(uint64_t seed, Generator **out); // release with value_release (TAG_GENERATOR)
void generator_seed(Generator *g, uint64_t seed);     // torch.manual_seed
void generator_key(Generator *g, uint64_t seed, uint64_t sample);
// The lane's generator; made with seed 0 when it has none.
Status lane_generator(Lane *lane, Generator **out);
// The generator of a call of an operator: an argument, or the lane's.
Status call_generator(Lane *lane, const Site *site, const IValue *args, Generator **out);

uint32_t random_u32(Generator *g);
uint64_t random_u64(Generator *g);                    // the first word is the high half
void random_words(Generator *g, uint32_t *out, int64_t n); // n times random_u32
// 0 or 1 for each of n uniform numbers: is it below limit[i], or below p when limit is NULL?
void random_below_each(Generator *g, const double *limit, double p, uint8_t *out, int64_t n);
static inline double uniform_of_u64(uint64_t u) { return (double)(int64_t)(u & (((uint64_t)1 << 53) - 1)) * 0x1p-53; } // [0, 1), 53 bits
float random_uniform_f32(Generator *g);               // [0, 1), 24 bits
double random_uniform_f64(Generator *g);              // [0, 1), 53 bits
double random_normal(Generator *g, double mean, double std); // one at a time, in pairs
uint64_t random_below(Generator *g, uint64_t range);  // [0, range), as randint draws

#endif
