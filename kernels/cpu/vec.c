// Chooses the table of vectorised loops for this machine.
#include "kernels/cpu/vec.h"

const VecTable *vec_table(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return &vec_table_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        return &vec_table_avx2;
#endif
    return &vec_table_base;
}
