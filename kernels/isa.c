// Which instruction sets kernels may use: the machine's, cut down to what the whole job has in common.
// oneDNN and OpenBLAS keep their own limits, set from here.
#include "kernels/isa.h"

#include "kernels/cpu/dnnl_common.h"
#include "kernels/lapack.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char *const names[ISA_COUNT] = {"base", "avx2", "avx512"};
static atomic_int limit = ISA_COUNT - 1;
static int machine = ISA_BASE;
static pthread_once_t machine_once = PTHREAD_ONCE_INIT;

static void machine_detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        machine = ISA_AVX2;
    if (machine == ISA_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        machine = ISA_AVX512;
#endif
    blas_use_isa((Isa)machine);
}

Isa kernel_isa(void)
{
    pthread_once(&machine_once, machine_detect);
    int most = atomic_load_explicit(&limit, memory_order_relaxed);
    return (Isa)(machine < most ? machine : most);
}

const char *isa_name(Isa isa) { return isa < ISA_COUNT ? names[isa] : "?"; }

Status kernel_limit_isa(const char *name)
{
    for (int i = 0; i < ISA_COUNT; i++)
        if (strcmp(name, names[i]) == 0) {
            atomic_store(&limit, i);
            blas_use_isa(kernel_isa());
            return dnnl_limit_isa(kernel_isa());
        }
    return status_fail(ST_USAGE, "instruction set '%s': expected base, avx2 or avx512", name);
}

void kernel_thread_init(int threads)
{
    kernel_isa();
    dnnl_thread_init(threads);
}
