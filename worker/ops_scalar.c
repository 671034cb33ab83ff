// Operator bindings: numbers. Arithmetic, comparisons and conversions of int, float, bool, complex and Scalar.
// The semantics are C++'s on int64_t and double where TorchScript uses them (torchscript.md §7.4, §14.1).
#include "worker/op_number.h"

#include <errno.h>
#include <stdlib.h>

// ---- Operators of two numbers -------------------------------------------------------------------------------------------

// FLOATS(name, result, expression of x and y): the overloads .float, .int_float, .float_int. INTS: the overload .int.
#define INTS(name, result, expression)                                                                                 \
    OP_FN(name##_int)                                                                                                  \
    {                                                                                                                  \
        int64_t x = args[0].as.i, y = args[1].as.i;                                                                    \
        rets[0] = result(expression);                                                                                  \
        return ST_OK;                                                                                                  \
    }
#define FLOATS(name, result, expression)                                                                               \
    OP_FN(name##_float)                                                                                                \
    {                                                                                                                  \
        double x = args[0].as.f, y = args[1].as.f;                                                                     \
        rets[0] = result(expression);                                                                                  \
        return ST_OK;                                                                                                  \
    }                                                                                                                  \
    OP_FN(name##_int_float)                                                                                            \
    {                                                                                                                  \
        double x = (double)args[0].as.i, y = args[1].as.f;                                                             \
        rets[0] = result(expression);                                                                                  \
        return ST_OK;                                                                                                  \
    }                                                                                                                  \
    OP_FN(name##_float_int)                                                                                            \
    {                                                                                                                  \
        double x = args[0].as.f, y = (double)args[1].as.i;                                                             \
        rets[0] = result(expression);                                                                                  \
        return ST_OK;                                                                                                  \
    }

INTS(add, value_int, wrapping_add(x, y))
FLOATS(add, value_float, x + y)
INTS(sub, value_int, wrapping_sub(x, y))
FLOATS(sub, value_float, x - y)
INTS(mul, value_int, wrapping_mul(x, y))
FLOATS(mul, value_float, x *y)
INTS(div, value_float, (double)x / (double)y)
OP_FN(div_float)
{
    rets[0] = value_float(args[0].as.f / args[1].as.f);
    return ST_OK;
}
FLOATS(floordiv, value_float, floor(x / y))
FLOATS(remainder, value_float, fmod(y + fmod(x, y), y))
INTS(min, value_int, x < y ? x : y)
FLOATS(min, value_float, x < y ? x : y)
INTS(max, value_int, x > y ? x : y)
FLOATS(max, value_float, x > y ? x : y)
INTS(eq, value_bool, x == y)
FLOATS(eq, value_bool, x == y)
INTS(ne, value_bool, x != y)
FLOATS(ne, value_bool, x != y)
INTS(lt, value_bool, x < y)
FLOATS(lt, value_bool, x < y)
INTS(gt, value_bool, x > y)
FLOATS(gt, value_bool, x > y)
INTS(le, value_bool, x <= y)
FLOATS(le, value_bool, x <= y)
INTS(ge, value_bool, x >= y)
FLOATS(ge, value_bool, x >= y)
INTS(and, value_int, x &y)
INTS(or, value_int, x | y)
INTS(xor, value_int, x ^ y)
INTS(lshift, value_int, (int64_t)((uint64_t)x << (y & 63)))
INTS(rshift, value_int, x >> (y & 63))

static Status floor_divide(int64_t x, int64_t y, int64_t *quotient, int64_t *remainder)
{
    if (y == 0)
        return op_raise("division by 0");
    if (y == -1) { // the one quotient that may overflow
        *quotient = wrapping_sub(0, x);
        *remainder = 0;
        return ST_OK;
    }
    *quotient = x / y;
    *remainder = x % y;
    if (*remainder != 0 && (*remainder < 0) != (y < 0)) {
        *quotient -= 1;
        *remainder += y;
    }
    return ST_OK;
}

OP_FN(floordiv_int)
{
    int64_t quotient, remainder;
    TRY(floor_divide(args[0].as.i, args[1].as.i, &quotient, &remainder));
    rets[0] = value_int(quotient);
    return ST_OK;
}

OP_FN(remainder_int)
{
    int64_t quotient, remainder;
    if (args[1].as.i == 0)
        return op_raise("ZeroDivisionError: integer modulo by zero");
    TRY(floor_divide(args[0].as.i, args[1].as.i, &quotient, &remainder));
    rets[0] = value_int(remainder);
    return ST_OK;
}

OP_FN(round_to_zero_floordiv)
{
    int64_t x = args[0].as.i, y = args[1].as.i;
    if (y == 0)
        return op_raise("division by 0");
    rets[0] = value_int(y == -1 ? wrapping_sub(0, x) : x / y);
    return ST_OK;
}

OP_FN(divmod_int)
{
    int64_t quotient, remainder;
    if (args[1].as.i == 0)
        return op_raise("ZeroDivisionError: integer division or modulo by zero");
    TRY(floor_divide(args[0].as.i, args[1].as.i, &quotient, &remainder));
    rets[0] = value_int(quotient);
    rets[1] = value_int(remainder);
    return ST_OK;
}

OP_FN(divmod_float)
{
    double x = arg_double(args[0]), y = arg_double(args[1]);
    if (y == 0)
        return op_raise("ZeroDivisionError: float divmod()");
    double remainder = fmod(x, y);
    if (remainder != 0 && (remainder < 0) != (y < 0))
        remainder += y;
    rets[0] = value_float((x - remainder) / y);
    rets[1] = value_float(remainder);
    return ST_OK;
}

// Overloads without a type (Scalar, Scalar) choose by what the values are.
typedef struct NumberFns {
    OpFn on_int, on_float;
    double _Complex (*on_complex)(double _Complex, double _Complex);
} NumberFns;

static double _Complex complex_add(double _Complex x, double _Complex y) { return x + y; }
static double _Complex complex_sub(double _Complex x, double _Complex y) { return x - y; }
static double _Complex complex_mul(double _Complex x, double _Complex y) { return x * y; }

// As PyTorch divides: straight from the definition.
static double _Complex complex_div(double _Complex x, double _Complex y)
{
    double a = creal(x), b = cimag(x), c = creal(y), d = cimag(y), norm = c * c + d * d;
    return make_complex((a * c + b * d) / norm, (b * c - a * d) / norm);
}


static const NumberFns ADD = {add_int, add_float, complex_add}, SUB = {sub_int, sub_float, complex_sub},
                       MUL = {mul_int, mul_float, complex_mul}, DIV = {div_int, div_float, complex_div},
                       FLOORDIV = {floordiv_int, floordiv_float, NULL}, REMAINDER = {remainder_int, remainder_float, NULL},
                       MIN = {min_int, min_float, NULL}, MAX = {max_int, max_float, NULL}, LT = {lt_int, lt_float, NULL},
                       GT = {gt_int, gt_float, NULL}, LE = {le_int, le_float, NULL}, GE = {ge_int, ge_float, NULL};

OP_FN(number_scalar)
{
    const NumberFns *fns = site->op->data;
    if (args[0].tag == TAG_COMPLEX || args[1].tag == TAG_COMPLEX) {
        if (!fns->on_complex)
            return op_raise("unsupported operand types: complex numbers");
        return ret_complex(fns->on_complex(arg_complex(args[0]), arg_complex(args[1])), &rets[0]);
    }
    if (is_integral(args[0]) && is_integral(args[1])) {
        IValue n[2] = {value_int(arg_int(args[0])), value_int(arg_int(args[1]))};
        return fns->on_int(lane, site, n, rets);
    }
    IValue n[2] = {value_float(arg_double(args[0])), value_float(arg_double(args[1]))};
    return fns->on_float(lane, site, n, rets);
}

OP_FN(number_complex)
{
    const NumberFns *fns = site->op->data;
    return ret_complex(fns->on_complex(arg_complex(args[0]), arg_complex(args[1])), &rets[0]);
}

static bool numbers_equal(const IValue *args)
{
    if (args[0].tag == TAG_COMPLEX || args[1].tag == TAG_COMPLEX)
        return arg_complex(args[0]) == arg_complex(args[1]);
    if (is_integral(args[0]) && is_integral(args[1]))
        return arg_int(args[0]) == arg_int(args[1]);
    return arg_double(args[0]) == arg_double(args[1]);
}

OP_FN(eq_number)
{
    rets[0] = value_bool(numbers_equal(args));
    return ST_OK;
}

OP_FN(ne_number)
{
    rets[0] = value_bool(!numbers_equal(args));
    return ST_OK;
}

OP_FN(eq_value)
{
    rets[0] = value_bool(value_equal(args[0], args[1]));
    return ST_OK;
}

OP_FN(ne_value)
{
    rets[0] = value_bool(!value_equal(args[0], args[1]));
    return ST_OK;
}

OP_FN(is_value)
{
    rets[0] = value_bool(value_is(args[0], args[1]));
    return ST_OK;
}

OP_FN(isnot_value)
{
    rets[0] = value_bool(!value_is(args[0], args[1]));
    return ST_OK;
}

OP_FN(and_bool)
{
    rets[0] = value_bool(args[0].as.b && args[1].as.b);
    return ST_OK;
}

OP_FN(or_bool)
{
    rets[0] = value_bool(args[0].as.b || args[1].as.b);
    return ST_OK;
}

OP_FN(xor_bool)
{
    rets[0] = value_bool(args[0].as.b != args[1].as.b);
    return ST_OK;
}

OP_FN(not_bool)
{
    rets[0] = value_bool(!args[0].as.b);
    return ST_OK;
}

static int compare_str(const IValue *args)
{
    Str a = str_of_value(args[0]), b = str_of_value(args[1]);
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#define STR_COMPARE(name, op)                                                                                          \
    OP_FN(name)                                                                                                        \
    {                                                                                                                  \
        rets[0] = value_bool(compare_str(args) op 0);                                                                  \
        return ST_OK;                                                                                                  \
    }
STR_COMPARE(lt_str, <)
STR_COMPARE(gt_str, >)
STR_COMPARE(le_str, <=)
STR_COMPARE(ge_str, >=)

// ---- Conversions --------------------------------------------------------------------------------------------------------

OP_FN(bool_number)
{
    rets[0] = value_bool(args[0].tag == TAG_FLOAT ? args[0].as.f != 0 : arg_int(args[0]) != 0);
    return ST_OK;
}

OP_FN(int_number)
{
    if (args[0].tag == TAG_COMPLEX)
        return op_raise("Expected a real number for int(), but got a complex one");
    rets[0] = args[0].tag == TAG_FLOAT ? value_int(int_of_double(args[0].as.f)) : value_int(arg_int(args[0]));
    return ST_OK;
}

OP_FN(float_number)
{
    if (args[0].tag == TAG_COMPLEX)
        return op_raise("Expected a real number for float(), but got a complex one");
    rets[0] = value_float(arg_double(args[0]));
    return ST_OK;
}

// Bool, Int, Float and Complex of tensors, and the implicit conversions that traces contain.
static Status tensor_number(Lane *lane, IValue arg, IValue *out)
{
    return arg.tag == TAG_TENSOR ? tensor_item(lane, arg.as.tensor, out) : (*out = value_retain(arg), ST_OK);
}

OP_FN(bool_tensor)
{
    bool truth;
    TRY(tensor_truth(lane, args[0].as.tensor, &truth));
    rets[0] = value_bool(truth);
    return ST_OK;
}

OP_FN(int_tensor)
{
    const Tensor *t = args[0].as.tensor;
    if (tensor_dtype(t) == DT_I64 && tensor_numel(t) == 1) { // sizes in traced programs
        rets[0] = value_int(*(const int64_t *)t->view.data);
        return ST_OK;
    }
    IValue item;
    TRY(tensor_item(lane, args[0].as.tensor, &item));
    if (item.tag == TAG_COMPLEX) {
        bool real = item.as.complex->im == 0;
        rets[0] = value_int(int_of_double(item.as.complex->re));
        value_release(item);
        return real ? ST_OK : op_raise("value cannot be converted to type int64_t without overflow");
    }
    if (item.tag == TAG_FLOAT && !(item.as.f >= -9223372036854775808.0 && item.as.f < 9223372036854775808.0))
        return op_raise("value cannot be converted to type int64_t without overflow");
    rets[0] = item.tag == TAG_FLOAT ? value_int((int64_t)item.as.f) : value_int(arg_int(item));
    return ST_OK;
}

OP_FN(float_tensor)
{
    IValue item;
    TRY(tensor_item(lane, args[0].as.tensor, &item));
    if (item.tag == TAG_COMPLEX) {
        bool real = item.as.complex->im == 0;
        rets[0] = value_float(item.as.complex->re);
        value_release(item);
        return real ? ST_OK : op_raise("value cannot be converted to type double without overflow");
    }
    rets[0] = value_float(arg_double(item));
    return ST_OK;
}

// Implicit conversions accept only 0-dim tensors of the right kind.
static Status check_implicit(const Tensor *t, bool integral)
{
    if (t->requires_grad)
        return op_raise("Cannot input a tensor that requires grad as a scalar argument");
    if (t->view.ndim != 0)
        return op_raise("Cannot input a tensor of dimension other than 0 as a scalar argument");
    if (integral && !dtype_is_integral(tensor_dtype(t)))
        return op_raise("Cannot input a tensor of type %s as an integral argument", dtype_torch_name(tensor_dtype(t)));
    return ST_OK;
}

OP_FN(int_implicit)
{
    TRY(check_implicit(args[0].as.tensor, true));
    return int_tensor(lane, site, args, rets);
}

OP_FN(float_implicit)
{
    TRY(check_implicit(args[0].as.tensor, false));
    return float_tensor(lane, site, args, rets);
}

OP_FN(scalar_implicit)
{
    TRY(check_implicit(args[0].as.tensor, false));
    return tensor_item(lane, args[0].as.tensor, &rets[0]);
}

// complex(x) and complex(re, im); tensors stand for their one element.
OP_FN(complex_of)
{
    double part[2] = {0, 0};
    uint32_t n = site->arg_count ? site->arg_count : 1;
    double _Complex z = 0;
    for (uint32_t i = 0; i < n && i < 2; i++) {
        IValue item;
        TRY(tensor_number(lane, args[i], &item));
        z = arg_complex(item);
        part[i] = creal(z);
        value_release(item);
    }
    return n == 1 ? ret_complex(z, &rets[0]) : value_complex(part[0], part[1], &rets[0]);
}

// A copy with a NUL behind it, for strtod and strtoll; *end is where parsing stopped.
static Status parse_number(IValue text, bool integer, IValue *out)
{
    Str s = str_of_value(text);
    char buffer[512];
    size_t len = s.len < sizeof buffer - 1 ? s.len : sizeof buffer - 1;
    memcpy(buffer, s.ptr, len);
    buffer[len] = 0;
    char *end;
    errno = 0;
    *out = integer ? value_int(strtoll(buffer, &end, 10)) : value_float(strtod(buffer, &end));
    if (end == buffer || errno == ERANGE)
        return op_raise(integer ? "stoll" : "stod");
    if ((size_t)(end - buffer) != s.len)
        return integer ? op_raise("invalid literal for int() with base 10: '" STR_FMT "'", STR_ARG(s))
                       : op_raise("could not convert string to float: '" STR_FMT "'", STR_ARG(s));
    return ST_OK;
}

OP_FN(int_str)
{
    IValue v;
    TRY(parse_number(args[0], true, &v));
    rets[0] = v;
    return ST_OK;
}

OP_FN(float_str)
{
    IValue v;
    TRY(parse_number(args[0], false, &v));
    rets[0] = v;
    return ST_OK;
}

// ---- range() ------------------------------------------------------------------------------------------------------------

OP_FN(range_length)
{
    int64_t lo = args[0].as.i, hi = args[1].as.i, step = args[2].as.i;
    if (step == 0)
        return op_raise("range() arg 3 must not be zero");
    uint64_t length = 0;
    if (step > 0 && lo < hi)
        length = 1 + ((uint64_t)hi - 1 - (uint64_t)lo) / (uint64_t)step;
    else if (step < 0 && lo > hi)
        length = 1 + ((uint64_t)lo - 1 - (uint64_t)hi) / (0 - (uint64_t)step);
    rets[0] = value_int((int64_t)length);
    return ST_OK;
}

OP_FN(derive_index)
{
    rets[0] = value_int(wrapping_add(args[1].as.i, wrapping_mul(args[0].as.i, args[2].as.i)));
    return ST_OK;
}

// ---- The table ----------------------------------------------------------------------------------------------------------

// Rows of one symbol with typed functions: int, float, int_float, float_int and the untyped one.
#define NUMBER_ROWS(symbol, name, fns)                                                                                 \
    {symbol ".int", name##_int, 0, NULL, NULL}, {symbol ".float", name##_float, 0, NULL, NULL},                        \
        {symbol ".int_float", name##_int_float, 0, NULL, NULL}, {symbol ".float_int", name##_float_int, 0, NULL, NULL}, \
        {symbol, number_scalar, 0, fns, NULL}
#define COMPLEX_ROWS(symbol, fns)                                                                                      \
    {symbol ".complex", number_complex, 0, fns, NULL}, {symbol ".int_complex", number_complex, 0, fns, NULL},          \
        {symbol ".complex_int", number_complex, 0, fns, NULL}, {symbol ".float_complex", number_complex, 0, fns, NULL}, \
        {symbol ".complex_float", number_complex, 0, fns, NULL}
#define EQUALITY_ROWS(symbol, name, on_number, on_value)                                                               \
    {symbol ".int", name##_int, 0, NULL, NULL}, {symbol ".float", name##_float, 0, NULL, NULL},                        \
        {symbol ".int_float", name##_int_float, 0, NULL, NULL}, {symbol ".float_int", name##_float_int, 0, NULL, NULL}, \
        {symbol, on_number, 0, NULL, NULL}, {symbol ".complex", on_number, 0, NULL, NULL},                             \
        {symbol ".float_complex", on_number, 0, NULL, NULL}, {symbol ".complex_float", on_number, 0, NULL, NULL},      \
        {symbol ".bool", on_value, 0, NULL, NULL}, {symbol ".device", on_value, 0, NULL, NULL},                        \
        {symbol ".enum", on_value, 0, NULL, NULL}, {symbol ".str", on_value, 0, NULL, NULL}
#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_SCALAR[] = {
    NUMBER_ROWS("aten::add", add, &ADD), COMPLEX_ROWS("aten::add", &ADD),
    NUMBER_ROWS("aten::sub", sub, &SUB), COMPLEX_ROWS("aten::sub", &SUB),
    NUMBER_ROWS("aten::mul", mul, &MUL), COMPLEX_ROWS("aten::mul", &MUL),
    ROW("aten::div.int", div_int), ROW("aten::div.float", div_float), {"aten::div", number_scalar, 0, &DIV, NULL},
    {"aten::div.complex", number_complex, 0, &DIV, NULL},
    NUMBER_ROWS("aten::floordiv", floordiv, &FLOORDIV), NUMBER_ROWS("aten::remainder", remainder, &REMAINDER),
    ROW("aten::__round_to_zero_floordiv.int", round_to_zero_floordiv),
    NUMBER_ROWS("prim::min", min, &MIN), NUMBER_ROWS("prim::max", max, &MAX),
    NUMBER_ROWS("aten::lt", lt, &LT), NUMBER_ROWS("aten::gt", gt, &GT),
    NUMBER_ROWS("aten::le", le, &LE), NUMBER_ROWS("aten::ge", ge, &GE),
    ROW("aten::lt.str", lt_str), ROW("aten::gt.str", gt_str), ROW("aten::le.str", le_str), ROW("aten::ge.str", ge_str),
    EQUALITY_ROWS("aten::eq", eq, eq_number, eq_value), EQUALITY_ROWS("aten::ne", ne, ne_number, ne_value),
    ROW("aten::__is__", is_value), ROW("aten::__isnot__", isnot_value), ROW("aten::__not__", not_bool),
    ROW("aten::__and__.bool", and_bool), ROW("aten::__and__.int", and_int), ROW("aten::__or__.bool", or_bool),
    ROW("aten::__or__.int", or_int), ROW("aten::__xor__.bool", xor_bool), ROW("aten::__xor__.int", xor_int),
    ROW("aten::__lshift__.int", lshift_int), ROW("aten::__rshift__.int", rshift_int),
    ROW("aten::divmod.int", divmod_int), ROW("aten::divmod.float", divmod_float),
    ROW("aten::divmod.int_float", divmod_float), ROW("aten::divmod.float_int", divmod_float),

    ROW("aten::Bool.int", bool_number), ROW("aten::Bool.float", bool_number), ROW("aten::Bool.Tensor", bool_tensor),
    ROW("aten::Int.bool", int_number), ROW("aten::Int.float", int_number), ROW("aten::Int.Scalar", int_number),
    ROW("aten::Int.Tensor", int_tensor), ROW("aten::Int.str", int_str), ROW("aten::Float.int", float_number),
    ROW("aten::Float.bool", float_number), ROW("aten::Float.Scalar", float_number), ROW("aten::Float.Tensor", float_tensor),
    ROW("aten::Float.str", float_str), ROW("aten::IntImplicit", int_implicit), ROW("aten::FloatImplicit", float_implicit),
    ROW("aten::ScalarImplicit", scalar_implicit), ROW("aten::ComplexImplicit", complex_of),
    ROW("aten::Complex.Scalar", complex_of), ROW("aten::Complex.Tensor_Tensor", complex_of),
    ROW("aten::Complex.int_bool", complex_of), ROW("aten::Complex.bool_int", complex_of),
    ROW("aten::Complex.float_bool", complex_of), ROW("aten::Complex.bool_float", complex_of),
    ROW("aten::Complex.float_int", complex_of), ROW("aten::Complex.int_float", complex_of),
    ROW("aten::Complex.int_int", complex_of), ROW("aten::Complex.bool_bool", complex_of),
    ROW("aten::Complex.float_float", complex_of), ROW("aten::Complex.Tensor_float", complex_of),
    ROW("aten::Complex.float_Tensor", complex_of), ROW("aten::Complex.Tensor_int", complex_of),
    ROW("aten::Complex.int_Tensor", complex_of), ROW("aten::Complex.Tensor_bool", complex_of),
    ROW("aten::Complex.bool_Tensor", complex_of),

    ROW("aten::__range_length", range_length), ROW("aten::__derive_index", derive_index),
    {0},
};
