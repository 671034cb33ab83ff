// The generator behind random operators: MT19937 and the distributions PyTorch draws with it.
// Matsumoto and Nishimura, "Mersenne Twister", 1998: the recurrence and the tempering below are the published ones.
#include "worker/random.h"

#include <math.h>
#include <stdlib.h>

enum { MT_SHIFT = 397 };

Status generator_new(uint64_t seed, Generator **out)
{
    Generator *g = calloc(1, sizeof *g);
    if (!g)
        return status_no_memory(sizeof *g);
    g->head = (Counted){.refs = 1, .tag = TAG_GENERATOR};
    generator_seed(g, seed);
    *out = g;
    return ST_OK;
}

void generator_seed(Generator *g, uint64_t seed)
{
    g->seed = seed;
    g->started = g->has_normal = false;
}

void generator_key(Generator *g, uint64_t seed, uint64_t sample)
{
    uint64_t mixed = seed;
    if (sample) { // splitmix64 of both
        mixed += sample * 0x9e3779b97f4a7c15u;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        mixed ^= mixed >> 31;
    }
    generator_seed(g, mixed);
}

Status lane_generator(Lane *lane, Generator **out)
{
    if (!lane->generator)
        TRY(generator_new(0, &lane->generator));
    *out = lane->generator;
    return ST_OK;
}

Status call_generator(Lane *lane, const Site *site, const IValue *args, Generator **out)
{
    for (uint32_t i = 0; i < site->arg_count; i++)
        if (args[i].tag == TAG_GENERATOR) {
            *out = (Generator *)args[i].as.obj;
            return ST_OK;
        }
    return lane_generator(lane, out);
}

static void start(Generator *g)
{
    g->state[0] = (uint32_t)g->seed; // the high half of a seed is not used
    for (uint32_t i = 1; i < MT_WORDS; i++)
        g->state[i] = 1812433253u * (g->state[i - 1] ^ (g->state[i - 1] >> 30)) + i;
    g->next = MT_WORDS;
    g->started = true;
}

static inline uint32_t twist(uint32_t upper, uint32_t lower)
{
    uint32_t y = (upper & 0x80000000u) | (lower & 0x7fffffffu);
    return (y >> 1) ^ ((0 - (y & 1)) & 0x9908b0dfu);
}

static inline uint32_t temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

static void next_block(Generator *g)
{
    enum { LATER = MT_WORDS - MT_SHIFT };
    uint32_t *s = g->state;
    for (int i = 0; i < LATER; i++)
        s[i] = s[i + MT_SHIFT] ^ twist(s[i], s[i + 1]);
    for (int i = LATER; i < MT_WORDS - 1; i++)
        s[i] = s[i - LATER] ^ twist(s[i], s[i + 1]);
    s[MT_WORDS - 1] = s[MT_SHIFT - 1] ^ twist(s[MT_WORDS - 1], s[0]);
    g->next = 0;
}

uint32_t random_u32(Generator *g)
{
    if (!g->started)
        start(g);
    if (g->next == MT_WORDS)
        next_block(g);
    return temper(g->state[g->next++]);
}

void random_words(Generator *g, uint32_t *out, int64_t n)
{
    if (!g->started)
        start(g);
    while (n > 0) {
        if (g->next == MT_WORDS)
            next_block(g);
        int64_t m = n < MT_WORDS - g->next ? n : MT_WORDS - g->next;
        const uint32_t *s = g->state + g->next;
        for (int64_t i = 0; i < m; i++)
            out[i] = temper(s[i]);
        g->next += (int)m;
        out += m;
        n -= m;
    }
}

uint64_t random_u64(Generator *g)
{
    uint64_t high = random_u32(g);
    return high << 32 | random_u32(g);
}

float random_uniform_f32(Generator *g) { return (float)(random_u32(g) & 0xffffff) * 0x1p-24f; }

double random_uniform_f64(Generator *g) { return uniform_of_u64(random_u64(g)); }

void random_below_each(Generator *g, const double *limit, double p, uint8_t *out, int64_t n)
{
    enum { CHUNK = 512 };
    uint32_t words[2 * CHUNK];
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t m = n - at < CHUNK ? n - at : CHUNK;
        random_words(g, words, 2 * m);
        for (int64_t i = 0; i < m; i++)
            out[at + i] = uniform_of_u64((uint64_t)words[2 * i] << 32 | words[2 * i + 1]) < (limit ? limit[at + i] : p);
    }
}

double random_normal(Generator *g, double mean, double std)
{
    if (g->has_normal) {
        g->has_normal = false;
        return g->normal * std + mean;
    }
    double angle = 2 * M_PI * random_uniform_f64(g);
    double radius = sqrt(-2 * log1p(-random_uniform_f64(g)));
    g->normal = radius * sin(angle);
    g->has_normal = true;
    return radius * cos(angle) * std + mean;
}

uint64_t random_below(Generator *g, uint64_t range)
{
    return range >= (uint64_t)1 << 32 ? random_u64(g) % range : random_u32(g) % range;
}
