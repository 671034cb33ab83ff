// Chooses the table of vectorised loops for this machine.
#include "kernels/cpu/vec.h"

#include "kernels/isa.h"

const VecTable *vec_table(void)
{
#if defined(__x86_64__)
    switch (kernel_isa()) {
    case ISA_AVX512: return &vec_table_avx512;
    case ISA_AVX2: return &vec_table_avx2;
    default: break;
    }
#endif
    return &vec_table_base;
}
