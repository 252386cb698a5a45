// Elementary functions, by the formulas of `tensor/kernels/elementary.rs`, which says how exact they are.
#pragma once
#include "prelude.cuh"

DEVICE float power_of_2(int power) {
    return __uint_as_float((u32)(power + 127) << 23);
}

DEVICE float exp_of(float x) {
    const float ROUNDER = 12582912.0f;
    float bounded = x < -87.33654f ? -87.33654f : x > 89.0f ? 89.0f : x;
    float rounded = bounded * 1.44269504088896340736f + ROUNDER;
    float power = rounded - ROUNDER;
    float rest = bounded - power * 0.6933594f - power * -2.1219444e-4f;
    float polynomial =
        ((((1.9875691e-4f * rest + 1.3982e-3f) * rest + 8.333452e-3f) * rest + 4.1665796e-2f) * rest + 1.6666665e-1f) * rest + 0.5f;
    float fraction = polynomial * (rest * rest) + rest + 1.0f;
    int whole = (int)(__float_as_uint(rounded) - __float_as_uint(ROUNDER));
    int half = whole >> 1;
    float value = fraction * power_of_2(half) * power_of_2(whole - half);
    return x < -87.33654f ? 0.0f : x != x ? x : value;
}

// ln(1 + x) for x from 0 to 1.
DEVICE float ln_1p_of_unit(float x) {
    float s = x / (2.0f + x);
    float square = s * s;
    float tail =
        (((((1.0f / 13.0f) * square + 1.0f / 11.0f) * square + 1.0f / 9.0f) * square + 1.0f / 7.0f) * square + 1.0f / 5.0f) * square +
        1.0f / 3.0f;
    return 2.0f * (s + s * square * tail);
}

// ln(x) for a normal number above 0.
DEVICE float ln_of(float x) {
    const u32 ROOT = 0x3f3504f3u;
    u32 offset = __float_as_uint(x) - ROOT;
    float power = (float)((int)offset >> 23);
    float factor = __uint_as_float((offset & 0x007fffffu) + ROOT);
    float s = (factor - 1.0f) / (factor + 1.0f);
    float square = s * s;
    float tail = (((1.0f / 9.0f) * square + 1.0f / 7.0f) * square + 1.0f / 5.0f) * square + 1.0f / 3.0f;
    float result = power * 0.6933594f + (power * -2.1219444e-4f + 2.0f * (s + s * square * tail));
    return x != x ? x : result;
}

DEVICE float sigmoid_of(float x) {
    float small = exp_of(-fabsf(x));
    float numerator = x < 0.0f ? small : 1.0f;
    return numerator / (1.0f + small);
}

DEVICE float tanh_of(float x) {
    float size = fabsf(x), square = x * x;
    float polynomial =
        (((-5.7049887e-3f * square + 2.063909e-2f) * square - 5.3739716e-2f) * square + 1.3331442e-1f) * square - 3.333328e-1f;
    float near_0 = x + x * square * polynomial;
    float far = copysignf(1.0f - 2.0f / (exp_of(2.0f * size) + 1.0f), x);
    return size < 0.625f ? near_0 : far;
}

// e^x - 1 for x up to 0.
DEVICE float exp_m1_of_negative(float x) {
    float near_0 = x * (((((((1.0f / 40320.0f) * x + 1.0f / 5040.0f) * x + 1.0f / 720.0f) * x + 1.0f / 120.0f) * x + 1.0f / 24.0f) * x +
                         1.0f / 6.0f) * x + 0.5f) * x + x;
    return x > -0.5f ? near_0 : exp_of(x) - 1.0f;
}

// P(X < x) for a standard normal X.
DEVICE float normal_below(float x) {
    float scaled = x * 0.70710678118654752440f;
    scaled = scaled < -4.0f ? -4.0f : scaled > 4.0f ? 4.0f : scaled;
    float square = scaled * scaled;
    float numerator = -2.7261423e-10f;
    numerator = numerator * square + 2.7706814e-8f;
    numerator = numerator * square + -2.101024e-6f;
    numerator = numerator * square + -5.6925064e-5f;
    numerator = numerator * square + -7.3499065e-4f;
    numerator = numerator * square + -2.9546e-3f;
    numerator = numerator * square + -1.6096033e-2f;
    float denominator = -1.4566072e-5f;
    denominator = denominator * square + -2.1337406e-4f;
    denominator = denominator * square + -1.682827e-3f;
    denominator = denominator * square + -7.373329e-3f;
    denominator = denominator * square + -1.4264739e-2f;
    float erf = scaled * numerator / denominator;
    erf = erf < -1.0f ? -1.0f : erf > 1.0f ? 1.0f : erf;
    return 0.5f + 0.5f * erf;
}
