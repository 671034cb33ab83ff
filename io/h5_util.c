// Small help for code that calls HDF5: element types both ways, and failures with HDF5's own reason.
// The types are those that h5py and PyTables write: IEEE numbers, bool as an enum or bitfield, complex as {r, i}.
#include "io/h5_util.h"

#include <stdio.h>
#include <stdlib.h>

static const bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

static H5Element unusable(const char *why)
{
    return (H5Element){.dtype = DT_INVALID, .unusable = why};
}

static H5Element usable(DType dtype, hid_t type)
{
    H5T_order_t order = H5Tget_order(type);
    bool swap = dtype_size(dtype) > 1 && (order == H5T_ORDER_LE) != little_endian;
    return (H5Element){.dtype = dtype, .swap = swap};
}

static H5Element integer_element(hid_t type)
{
    static const DType by_size[2][9] = {
        {DT_INVALID, DT_U8, DT_U16, DT_INVALID, DT_U32, DT_INVALID, DT_INVALID, DT_INVALID, DT_U64},
        {DT_INVALID, DT_I8, DT_I16, DT_INVALID, DT_I32, DT_INVALID, DT_INVALID, DT_INVALID, DT_I64},
    };
    size_t size = H5Tget_size(type);
    DType dtype = size <= 8 ? by_size[H5Tget_sign(type) == H5T_SGN_2][size] : DT_INVALID;
    if (dtype == DT_INVALID || H5Tget_precision(type) != 8 * size)
        return unusable("integers of an unusual width");
    return usable(dtype, type);
}

static H5Element float_element(hid_t type)
{
    size_t sign, exponent_at, exponent, mantissa_at, mantissa;
    if (H5Tget_fields(type, &sign, &exponent_at, &exponent, &mantissa_at, &mantissa) < 0)
        return unusable("floating-point numbers of an unusual format");
    size_t size = H5Tget_size(type);
    if (size == 2 && exponent == 5 && mantissa == 10)
        return usable(DT_F16, type);
    if (size == 2 && exponent == 8 && mantissa == 7)
        return usable(DT_BF16, type);
    if (size == 4 && exponent == 8 && mantissa == 23)
        return usable(DT_F32, type);
    if (size == 8 && exponent == 11 && mantissa == 52)
        return usable(DT_F64, type);
    return unusable("floating-point numbers of an unusual format");
}

// h5py's bool is an enum {FALSE = 0, TRUE = 1} over int8; any other enum is its integer.
static H5Element enum_element(hid_t type)
{
    signed char value = -1;
    hid_t base = H5Tget_super(type);
    H5Element e = integer_element(base);
    H5Tclose(base);
    if (e.dtype == DT_I8 && H5Tget_nmembers(type) == 2 && H5Tenum_valueof(type, "FALSE", &value) >= 0 && value == 0 &&
        H5Tenum_valueof(type, "TRUE", &value) >= 0 && value == 1)
        e.dtype = DT_BOOL;
    return e;
}

// Two floating-point members of one type, side by side.
static H5Element complex_element(hid_t type)
{
    H5Element e = unusable("compounds are not numbers (bind a data set per field)");
    if (H5Tget_nmembers(type) != 2 || H5Tget_member_class(type, 0) != H5T_FLOAT ||
        H5Tget_member_class(type, 1) != H5T_FLOAT)
        return e;
    hid_t re = H5Tget_member_type(type, 0), im = H5Tget_member_type(type, 1);
    H5Element part = float_element(re), other = float_element(im);
    size_t size = H5Tget_size(re);
    char *name = H5Tget_member_name(type, 0);
    bool named = name && (name[0] == 'r' || name[0] == 'R');
    H5free_memory(name);
    if (named && part.dtype == other.dtype && part.swap == other.swap && H5Tget_member_offset(type, 0) == 0 &&
        H5Tget_member_offset(type, 1) == size && H5Tget_size(type) == 2 * size) {
        DType dtype = part.dtype == DT_F16   ? DT_C32
                      : part.dtype == DT_F32 ? DT_C64
                      : part.dtype == DT_F64 ? DT_C128
                                             : DT_INVALID;
        if (dtype != DT_INVALID)
            e = (H5Element){.dtype = dtype, .swap = part.swap};
    }
    H5Tclose(re);
    H5Tclose(im);
    return e;
}

H5Element h5_element(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return integer_element(type);
    case H5T_FLOAT:
        return float_element(type);
    case H5T_ENUM:
        return enum_element(type);
    case H5T_BITFIELD: // PyTables' bool
        return H5Tget_size(type) == 1 ? usable(DT_BOOL, type) : unusable("bit fields are not numbers");
    case H5T_COMPOUND:
        return complex_element(type);
    case H5T_STRING:
        return unusable("strings are not numbers");
    case H5T_VLEN:
        return unusable("variable-length rows (write them as a group with values and offsets)");
    case H5T_ARRAY:
        return unusable("array elements (store the dimensions in the data set)");
    default:
        return unusable("elements that are not numbers");
    }
}

static hid_t bool_type(void)
{
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    signed char no = 0, yes = 1;
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    return type;
}

static hid_t half_type(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static hid_t complex_type(hid_t part)
{
    size_t size = H5Tget_size(part);
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * size);
    H5Tinsert(type, "r", 0, part);
    H5Tinsert(type, "i", size, part);
    H5Tclose(part);
    return type;
}

hid_t h5_file_type(DType t)
{
    switch (t) {
    case DT_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case DT_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case DT_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case DT_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case DT_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case DT_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case DT_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case DT_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case DT_F16:
        return half_type();
    case DT_F32:
    case DT_BF16:
        return H5Tcopy(H5T_IEEE_F32LE);
    case DT_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case DT_C32:
        return complex_type(half_type());
    case DT_C64:
        return complex_type(H5Tcopy(H5T_IEEE_F32LE));
    case DT_C128:
        return complex_type(H5Tcopy(H5T_IEEE_F64LE));
    case DT_BOOL:
        return bool_type();
    default:
        return -1;
    }
}

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *out)
{
    (void)n;
    *(const char **)out = e->desc;
    return 1; // the walk starts at the deepest call
}

Status h5_fail(Status code, const char *fmt, ...)
{
    const char *why = NULL;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, &why);
    char text[4096], reason[512];
    snprintf(reason, sizeof reason, "%s", why ? why : "");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    H5Eclear2(H5E_DEFAULT);
    return reason[0] ? status_fail(code, "%s (HDF5: %s)", text, reason) : status_fail(code, "%s", text);
}

hid_t h5_access(bool lock)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, lock, true);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    return access;
}
