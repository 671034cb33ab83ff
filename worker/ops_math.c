// Operator bindings: math.* and the elementary functions of numbers.
// Overloads on Scalar round what is not complex to float32, as libtorch does.
#include "worker/op_number.h"

// Operators on two numbers whose result is always a float: math.atan2 and the like.
typedef struct FloatFn2 { double (*fn)(double, double); } FloatFn2;

static double log_base(double x, double base) { return log(x) / log(base); }

static Status check_power(IValue base, IValue exponent)
{
    return arg_double(base) == 0 && arg_double(exponent) < 0 ? op_raise("0.0 cannot be raised to a negative power") : ST_OK;
}

OP_FN(float_binary)
{
    const FloatFn2 *f = site->op->data;
    if (f->fn == pow)
        TRY(check_power(args[0], args[1]));
    rets[0] = value_float(f->fn(arg_double(args[0]), arg_double(args[1])));
    return ST_OK;
}

// Complex functions of two numbers: `data` is one of these.
typedef struct ComplexFn2 { double _Complex (*fn)(double _Complex, double _Complex); } ComplexFn2;

static double _Complex complex_log_base(double _Complex x, double _Complex y) { return clog(x) / clog(y); }

OP_FN(complex_binary)
{
    const ComplexFn2 *f = site->op->data;
    return ret_complex(f->fn(arg_complex(args[0]), arg_complex(args[1])), &rets[0]);
}

OP_FN(pow_int_to_int)
{
    TRY(check_power(args[0], args[1]));
    rets[0] = value_int(int_of_double(pow((double)args[0].as.i, (double)args[1].as.i)));
    return ST_OK;
}

OP_FN(gcd_int)
{
    uint64_t x = (uint64_t)args[0].as.i, y = (uint64_t)args[1].as.i;
    x = args[0].as.i < 0 ? 0 - x : x;
    y = args[1].as.i < 0 ? 0 - y : y;
    while (y) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    rets[0] = value_int((int64_t)x);
    return ST_OK;
}

OP_FN(ldexp_float)
{
    int64_t e = args[1].as.i;
    rets[0] = value_float(ldexp(args[0].as.f, e > INT32_MAX ? INT32_MAX : e < INT32_MIN ? INT32_MIN : (int)e));
    return ST_OK;
}

OP_FN(polar_number)
{
    double r = arg_double(args[0]), phi = arg_double(args[1]);
    return value_complex(r * cos(phi), r * sin(phi), &rets[0]);
}

// ---- Operators of one number --------------------------------------------------------------------------------------------

// `fn` serves int and float arguments, `complex_fn` complex ones (NULL: there is no such overload).
typedef struct FloatFn {
    double (*fn)(double);
    double _Complex (*complex_fn)(double _Complex);
} FloatFn;

OP_FN(float_unary)
{
    const FloatFn *f = site->op->data;
    if (args[0].tag == TAG_COMPLEX) {
        if (!f->complex_fn)
            return op_raise("unsupported operand type: complex number");
        return ret_complex(f->complex_fn(arg_complex(args[0])), &rets[0]);
    }
    rets[0] = value_float(f->fn(arg_double(args[0])));
    return ST_OK;
}

// The overloads on Scalar: libtorch rounds what is not complex to float32.
OP_FN(float_unary_scalar)
{
    TRY(float_unary(lane, site, args, rets));
    if (rets[0].tag == TAG_FLOAT)
        rets[0].as.f = (double)(float)rets[0].as.f;
    return ST_OK;
}

static double degrees(double x) { return x * 180.0 / M_PI; }
static double radians(double x) { return x * M_PI / 180.0; }
static double angle(double x) { return isnan(x) ? x : x < 0 ? M_PI : 0; }
static double _Complex complex_log10(double _Complex z) { return clog(z) / M_LN10; }

OP_FN(angle_complex)
{
    rets[0] = value_float(args[0].tag == TAG_COMPLEX ? carg(arg_complex(args[0])) : angle(arg_double(args[0])));
    return ST_OK;
}

OP_FN(angle_scalar)
{
    TRY(angle_complex(lane, site, args, rets));
    rets[0].as.f = (double)(float)rets[0].as.f;
    return ST_OK;
}

// floor and ceil give ints.
OP_FN(identity_int)
{
    rets[0] = value_int(arg_int(args[0]));
    return ST_OK;
}

static Status ret_rounded(double rounded, double whole, IValue *ret)
{
    if (!(fabs(rounded) < 0x1p63) && rounded != -0x1p63)
        return op_raise("Cannot convert float %f to integer", whole);
    *ret = value_int((int64_t)rounded);
    return ST_OK;
}

OP_FN(floor_number)
{
    if (!is_integral(args[0]))
        return ret_rounded(floor(args[0].as.f), args[0].as.f, &rets[0]);
    rets[0] = value_int(arg_int(args[0]));
    return ST_OK;
}

OP_FN(ceil_number)
{
    if (!is_integral(args[0]))
        return ret_rounded(ceil(args[0].as.f), args[0].as.f, &rets[0]);
    rets[0] = value_int(arg_int(args[0]));
    return ST_OK;
}

OP_FN(neg_number)
{
    if (args[0].tag == TAG_COMPLEX)
        return ret_complex(-arg_complex(args[0]), &rets[0]);
    rets[0] = args[0].tag == TAG_FLOAT ? value_float(-args[0].as.f) : value_int(wrapping_sub(0, arg_int(args[0])));
    return ST_OK;
}

OP_FN(abs_number)
{
    if (args[0].tag == TAG_COMPLEX)
        rets[0] = value_float(cabs(arg_complex(args[0])));
    else if (args[0].tag == TAG_FLOAT)
        rets[0] = value_float(fabs(args[0].as.f));
    else
        rets[0] = value_int(arg_int(args[0]) < 0 ? wrapping_sub(0, arg_int(args[0])) : arg_int(args[0]));
    return ST_OK;
}

// The result of neg.Scalar and abs.Scalar is a float32 or a 32-bit int.
static Status ret_narrow(Status status, IValue *ret)
{
    if (status == ST_OK && ret->tag == TAG_FLOAT)
        ret->as.f = (double)(float)ret->as.f;
    else if (status == ST_OK && ret->tag == TAG_INT)
        ret->as.i = (int32_t)ret->as.i;
    return status;
}

OP_FN(neg_scalar)
{
    return ret_narrow(neg_number(lane, site, args, rets), rets);
}

OP_FN(abs_scalar)
{
    return ret_narrow(abs_number(lane, site, args, rets), rets);
}

OP_FN(factorial_int)
{
    int64_t n = args[0].as.i;
    if (n < 0)
        return op_raise("factorial() not defined for negative values");
    if (n > 66) // 66! and beyond are multiples of 2**64
        n = 66;
    int64_t product = 1;
    for (int64_t i = 2; i <= n; i++)
        product = wrapping_mul(product, i);
    rets[0] = value_int(product);
    return ST_OK;
}

OP_FN(modf_float)
{
    double whole, part = modf(args[0].as.f, &whole);
    rets[0] = value_float(part);
    rets[1] = value_float(whole);
    return ST_OK;
}

OP_FN(frexp_float)
{
    int exponent = 0;
    double mantissa = frexp(args[0].as.f, &exponent);
    rets[0] = value_float(mantissa);
    rets[1] = value_int(exponent);
    return ST_OK;
}

#define CLASSIFY(name, any_or_all, test)                                                                               \
    OP_FN(name)                                                                                                        \
    {                                                                                                                  \
        double _Complex z = arg_complex(args[0]);                                                                       \
        rets[0] = value_bool(test(creal(z)) any_or_all test(cimag(z)));                                                \
        return ST_OK;                                                                                                  \
    }
CLASSIFY(isnan_number, ||, isnan)
CLASSIFY(isinf_number, ||, isinf)
CLASSIFY(isfinite_number, &&, isfinite)

// ---- The table ----------------------------------------------------------------------------------------------------------

// math functions of one argument; FLOAT_2: of two.
#define FLOAT_ROWS(symbol, fn)                                                                                         \
    {symbol ".int", float_unary, 0, &(const FloatFn){fn, NULL}, NULL}, {symbol ".float", float_unary, 0, &(const FloatFn){fn, NULL}, NULL}, \
        {symbol ".Scalar", float_unary_scalar, 0, &(const FloatFn){fn, NULL}, NULL}
#define FLOAT_COMPLEX_ROWS(symbol, fn, complex_fn)                                                                     \
    {symbol ".int", float_unary, 0, &(const FloatFn){fn, NULL}, NULL}, {symbol ".float", float_unary, 0, &(const FloatFn){fn, NULL}, NULL}, \
        {symbol ".complex", float_unary, 0, &(const FloatFn){fn, complex_fn}, NULL},                                   \
        {symbol ".Scalar", float_unary_scalar, 0, &(const FloatFn){fn, complex_fn}, NULL}
#define FLOAT_2(name, fn) {name, float_binary, 0, &(const FloatFn2){fn}, NULL}
#define FLOAT_2_ROWS(symbol, fn)                                                                                       \
    FLOAT_2(symbol ".int", fn), FLOAT_2(symbol ".float", fn), FLOAT_2(symbol ".int_float", fn), FLOAT_2(symbol ".float_int", fn)
#define COMPLEX_2(name, fn) {name, complex_binary, 0, &(const ComplexFn2){fn}, NULL}
#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_MATH[] = {
    FLOAT_2_ROWS("aten::pow", pow), FLOAT_2("aten::pow.Scalar_Scalar", pow), ROW("aten::pow.int_to_int", pow_int_to_int),
    COMPLEX_2("aten::pow.complex", cpow), COMPLEX_2("aten::pow.float_complex", cpow),
    COMPLEX_2("aten::pow.complex_float", cpow),
    FLOAT_2_ROWS("aten::atan2", atan2), FLOAT_2("aten::atan2.Scalar_Scalar", atan2),
    FLOAT_2_ROWS("aten::fmod", fmod), FLOAT_2("aten::fmod", fmod),
    FLOAT_2_ROWS("aten::mathremainder", remainder), FLOAT_2("aten::mathremainder", remainder),
    FLOAT_2_ROWS("aten::copysign", copysign), FLOAT_2("aten::copysign", copysign),
    FLOAT_2("aten::log.int_int", log_base), FLOAT_2("aten::log.float_float", log_base),
    FLOAT_2("aten::log.int_float", log_base), FLOAT_2("aten::log.float_int", log_base),
    FLOAT_2("aten::log.Scalar_Scalar", log_base), COMPLEX_2("aten::log.complex_complex", complex_log_base),
    COMPLEX_2("aten::log.int_complex", complex_log_base), COMPLEX_2("aten::log.complex_int", complex_log_base),
    COMPLEX_2("aten::log.float_complex", complex_log_base), COMPLEX_2("aten::log.complex_float", complex_log_base),
    ROW("aten::gcd.int", gcd_int), ROW("aten::ldexp", ldexp_float), ROW("aten::polar.int", polar_number),
    ROW("aten::polar.float", polar_number), ROW("aten::polar.int_float", polar_number),
    ROW("aten::polar.float_int", polar_number), ROW("aten::polar.Scalar_Scalar", polar_number),

    FLOAT_COMPLEX_ROWS("aten::sin", sin, csin), FLOAT_COMPLEX_ROWS("aten::cos", cos, ccos),
    FLOAT_COMPLEX_ROWS("aten::tan", tan, ctan), FLOAT_COMPLEX_ROWS("aten::asin", asin, casin),
    FLOAT_COMPLEX_ROWS("aten::acos", acos, cacos), FLOAT_COMPLEX_ROWS("aten::atan", atan, catan),
    FLOAT_COMPLEX_ROWS("aten::sinh", sinh, csinh), FLOAT_COMPLEX_ROWS("aten::cosh", cosh, ccosh),
    FLOAT_COMPLEX_ROWS("aten::tanh", tanh, ctanh), FLOAT_COMPLEX_ROWS("aten::asinh", asinh, casinh),
    FLOAT_COMPLEX_ROWS("aten::acosh", acosh, cacosh), FLOAT_COMPLEX_ROWS("aten::atanh", atanh, catanh),
    FLOAT_COMPLEX_ROWS("aten::exp", exp, cexp), FLOAT_COMPLEX_ROWS("aten::log", log, clog),
    FLOAT_COMPLEX_ROWS("aten::log10", log10, complex_log10), FLOAT_COMPLEX_ROWS("aten::sqrt", sqrt, csqrt),
    FLOAT_ROWS("aten::expm1", expm1), FLOAT_ROWS("aten::log1p", log1p), FLOAT_ROWS("aten::erf", erf),
    FLOAT_ROWS("aten::erfc", erfc), FLOAT_ROWS("aten::gamma", tgamma), FLOAT_ROWS("aten::lgamma", lgamma),
    FLOAT_ROWS("aten::fabs", fabs), FLOAT_ROWS("aten::degrees", degrees), FLOAT_ROWS("aten::radians", radians),
    FLOAT_ROWS("aten::round", rint), ROW("aten::angle.int", angle_complex), ROW("aten::angle.float", angle_complex),
    ROW("aten::angle.complex", angle_complex), ROW("aten::angle.Scalar", angle_scalar),
    ROW("aten::floor.int", identity_int), ROW("aten::floor.float", floor_number), ROW("aten::floor.Scalar", floor_number),
    ROW("aten::ceil.int", identity_int), ROW("aten::ceil.float", ceil_number), ROW("aten::ceil.Scalar", ceil_number),
    ROW("aten::neg.int", neg_number), ROW("aten::neg.float", neg_number), ROW("aten::neg.complex", neg_number),
    ROW("aten::neg.Scalar", neg_scalar), ROW("prim::abs.int", abs_number), ROW("prim::abs.float", abs_number),
    ROW("prim::abs.complex", abs_number), ROW("prim::abs.Scalar", abs_scalar),
    ROW("aten::factorial.int", factorial_int), ROW("aten::modf", modf_float), ROW("aten::frexp", frexp_float),
    ROW("aten::isnan.float", isnan_number), ROW("aten::isnan.complex", isnan_number),
    ROW("aten::isinf.float", isinf_number), ROW("aten::isinf.complex", isinf_number),
    ROW("aten::isfinite.float", isfinite_number), ROW("aten::isfinite.complex", isfinite_number),
    {0},
};
