// Instruction sets: what this machine has, what the job allows, and building one loop for each of them.
#ifndef TSB_KERNELS_ISA_H
#define TSB_KERNELS_ISA_H

#include "io/base/status.h"

typedef enum Isa { ISA_BASE, ISA_AVX2, ISA_AVX512, ISA_COUNT } Isa;

// The best set that this machine has and kernel_limit_isa allows.
Isa kernel_isa(void);
const char *isa_name(Isa isa);
// Limits this process, before anything is prepared: "base", "avx2" or "avx512". All ranks of a job use the least of their
// sets, so that they choose the same kernels and compute the same bits. ST_USAGE for an unknown name.
Status kernel_limit_isa(const char *name);
// Once per thread that runs kernels: how many threads one kernel may use in it.
void kernel_thread_init(int threads);

// ISA_VARIANTS(name, (parameters), (arguments)) defines name() from an always-inline name_body(): compiled once per set
// and chosen at run time. The bodies are plain C without reassociation, so every variant computes the same bits.
#define ISA_INLINE static inline __attribute__((always_inline))
// Before a loop that reads and writes elements i only: buffers that are the same must not stop vectorisation.
#if defined(__clang__)
#define ISA_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define ISA_INDEPENDENT _Pragma("GCC ivdep")
#endif
#if defined(__x86_64__)
#define ISA_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define ISA_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define ISA_VARIANTS(name, params, args)                                                                               \
    ISA_TARGET_AVX512 static void name##_avx512 params { name##_body args; }                                           \
    ISA_TARGET_AVX2 static void name##_avx2 params { name##_body args; }                                               \
    static void name##_base params { name##_body args; }                                                               \
    static void name params                                                                                            \
    {                                                                                                                  \
        switch (kernel_isa()) {                                                                                        \
        case ISA_AVX512: name##_avx512 args; break;                                                                    \
        case ISA_AVX2: name##_avx2 args; break;                                                                        \
        default: name##_base args; break;                                                                              \
        }                                                                                                              \
    }
#else
#define ISA_VARIANTS(name, params, args)                                                                               \
    static void name params { name##_body args; }
#endif

#endif
