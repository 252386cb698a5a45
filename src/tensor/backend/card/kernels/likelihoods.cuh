// Likelihoods, by `model/likelihood/`: the nats of each row, and their gradients.
#pragma once
#include "logistic.cuh"

// The numbers of a kernel are behind a pointer, so that they may differ from step to step.
#define NUMBERS(place) ((const float*)words.word[place])

// From a logit for each value: its nats, and the mean.
namespace Bernoulli {
    DEVICE float nats(float logit, float x) {
        float linear = logit > 0.0f ? logit * (1.0f - x) : -logit * x;
        return linear + ln_1p_of_unit(exp_of(-fabsf(logit)));
    }
    DEVICE float mean(float logit) {
        return sigmoid_of(logit);
    }
}

// From a location and the logarithm of a scale for each value: its nats, and their slopes.
struct Gaussian {
    METHOD explicit Gaussian(const float*) {}
    METHOD float nats(float x, float mean, float log_variance) const {
        return 0.5f * ((x - mean) * (x - mean) * exp_of(-log_variance) + (log_variance + 1.8378770664093453f));
    }
    METHOD void slopes(float x, float mean, float log_variance, float* by_location, float* by_scale) const {
        float slope = (mean - x) * exp_of(-log_variance);
        *by_location = slope;
        *by_scale = 0.5f * (1.0f - (mean - x) * slope);
    }
};

struct Laplace {
    METHOD explicit Laplace(const float*) {}
    METHOD float nats(float x, float location, float log_scale) const {
        return fabsf(x - location) * exp_of(-log_scale) + (log_scale + 0.69314718055994530942f);
    }
    METHOD void slopes(float x, float location, float log_scale, float* by_location, float* by_scale) const {
        float distance = location - x, inverse = exp_of(-log_scale);
        *by_location = distance == 0.0f ? 0.0f : copysignf(inverse, distance);
        *by_scale = 1.0f - fabsf(distance) * inverse;
    }
};

// outputs, x, nats, values of a row: a block for each row
#define LOGITS(name, Kind)                                                                                   \
    KERNEL(name) {                                                                                           \
        u64 first = (u64)BLOCK_NUMBER * COUNT(3);                                                            \
        SHARED double part[BLOCK];                                                                           \
        EACH_THREAD {                                                                                        \
            double sum = 0.0;                                                                                \
            for (u32 value = THREAD; value < COUNT(3); value += BLOCK) {                                     \
                sum += Kind::nats(ARRAY(0)[first + value], ARRAY(1)[first + value]);                         \
            }                                                                                                \
            part[THREAD] = sum;                                                                              \
        }                                                                                                    \
        SYNC;                                                                                                \
        SUM_OF_BLOCK(part)                                                                                   \
        EACH_THREAD if (THREAD == 0) {                                                                       \
            ARRAY(2)[BLOCK_NUMBER] = (float)part[0];                                                         \
        }                                                                                                    \
    }                                                                                                        \
    /* outputs, x, dnats, doutputs, count, values of a row: adds the gradients */                            \
    KERNEL(name##_backward) {                                                                                \
        EACH(place, COUNT(4)) {                                                                              \
            ARRAY(3)[place] += ARRAY(2)[place / COUNT(5)] * (Kind::mean(ARRAY(0)[place]) - ARRAY(1)[place]); \
        }                                                                                                    \
    }

LOGITS(bernoulli, Bernoulli)
LOGITS(continuous_bernoulli, ContinuousBernoulli)

// The location of a value and the logarithm of its scale with its floor: both outputs, or an output and an own number.
struct Place {
    float location, log_scale;
    bool is_above;
};

DEVICE Place place_of(const float* outputs, const float* own, u32 owns, float floor, u64 row, u32 values, u32 value) {
    u64 at = row * values + value;
    float log_scale = owns ? own[value % owns] : outputs[2 * at + 1];
    Place place = {owns ? outputs[at] : outputs[2 * at], log_scale < floor ? floor : log_scale, !(log_scale < floor)};
    return place;
}

// outputs, x, nats, own, values of a row, own numbers (0: the outputs are pairs), numbers (the floor, and those of the kind): a block for
// each row
#define LOCATION_SCALE(name, Kind)                                                                          \
    KERNEL(name) {                                                                                          \
        u64 row = BLOCK_NUMBER;                                                                             \
        u32 values = COUNT(4);                                                                              \
        SHARED double part[BLOCK];                                                                          \
        EACH_THREAD {                                                                                       \
            const Kind kind(NUMBERS(6) + 1);                                                                \
            double sum = 0.0;                                                                               \
            for (u32 value = THREAD; value < values; value += BLOCK) {                                      \
                Place at = place_of(ARRAY(0), ARRAY(3), COUNT(5), NUMBERS(6)[0], row, values, value);       \
                sum += kind.nats(ARRAY(1)[row * values + value], at.location, at.log_scale);                \
            }                                                                                               \
            part[THREAD] = sum;                                                                             \
        }                                                                                                   \
        SYNC;                                                                                               \
        SUM_OF_BLOCK(part)                                                                                  \
        EACH_THREAD if (THREAD == 0) {                                                                      \
            ARRAY(2)[row] = (float)part[0];                                                                 \
        }                                                                                                   \
    }                                                                                                       \
    /* outputs, x, dnats, own, doutputs, values of a row, own numbers, numbers, count: adds the gradients */ \
    KERNEL(name##_backward) {                                                                               \
        u32 values = COUNT(5), owns = COUNT(6);                                                             \
        EACH(place, COUNT(8)) {                                                                             \
            const Kind kind(NUMBERS(7) + 1);                                                                \
            u32 row = place / values;                                                                       \
            Place at = place_of(ARRAY(0), ARRAY(3), owns, NUMBERS(7)[0], row, values, place % values);      \
            float by_location, by_scale, dnats = ARRAY(2)[row];                                             \
            kind.slopes(ARRAY(1)[place], at.location, at.log_scale, &by_location, &by_scale);               \
            if (owns) {                                                                                     \
                ARRAY(4)[place] += dnats * by_location;                                                     \
            } else {                                                                                        \
                ARRAY(4)[2 * place] += dnats * by_location;                                                 \
                ARRAY(4)[2 * place + 1] += at.is_above ? dnats * by_scale : 0.0f;                           \
            }                                                                                               \
        }                                                                                                   \
    }                                                                                                       \
    /* outputs, x, dnats, own, down, rows, values, own numbers, numbers: adds the gradients by the own numbers; a block for each */ \
    KERNEL(name##_own) {                                                                                    \
        u32 rows = COUNT(5), values = COUNT(6), owns = COUNT(7), number = BLOCK_NUMBER;                     \
        u32 each = (values - number + owns - 1) / owns;                                                     \
        SHARED double part[BLOCK];                                                                          \
        EACH_THREAD {                                                                                       \
            const Kind kind(NUMBERS(8) + 1);                                                                \
            double sum = 0.0;                                                                               \
            for (u32 place = THREAD; place < rows * each; place += BLOCK) {                                 \
                u32 row = place / each;                                                                     \
                u32 value = number + place % each * owns;                                                   \
                Place at = place_of(ARRAY(0), ARRAY(3), owns, NUMBERS(8)[0], row, values, value);           \
                float by_location, by_scale;                                                                \
                kind.slopes(ARRAY(1)[(u64)row * values + value], at.location, at.log_scale, &by_location, &by_scale); \
                sum += at.is_above ? (double)(ARRAY(2)[row] * by_scale) : 0.0;                              \
            }                                                                                               \
            part[THREAD] = sum;                                                                             \
        }                                                                                                   \
        SYNC;                                                                                               \
        SUM_OF_BLOCK(part)                                                                                  \
        EACH_THREAD if (THREAD == 0) {                                                                      \
            ARRAY(4)[number] += (float)part[0];                                                             \
        }                                                                                                   \
    }

LOCATION_SCALE(gaussian, Gaussian)
LOCATION_SCALE(laplace, Laplace)
LOCATION_SCALE(discretized_logistic, Bins)

// The sum of the squared errors of a row, by the threads of its block.
#define SQUARES_OF_ROW(part, outputs, x, values)                                             \
    SHARED double part[BLOCK];                                                               \
    EACH_THREAD {                                                                            \
        double sum = 0.0;                                                                    \
        for (u32 value = THREAD; value < (values); value += BLOCK) {                         \
            u64 at = (u64)BLOCK_NUMBER * (values) + value;                                   \
            double error = (double)(outputs)[at] - (x)[at];                                  \
            sum += error * error;                                                            \
        }                                                                                    \
        part[THREAD] = sum;                                                                  \
    }                                                                                        \
    SYNC;                                                                                    \
    SUM_OF_BLOCK(part)

// A variance and its floor. NaN stays NaN.
DEVICE double above(double variance, double least) {
    return variance < least ? least : variance;
}

// outputs, x, nats, outputs of a row, values of a row, numbers (the least variance): a normal distribution with the best variance of each
// row; a block for each row
KERNEL(gaussian_optimal) {
    SQUARES_OF_ROW(part, ARRAY(0), ARRAY(1), COUNT(4))
    EACH_THREAD if (THREAD == 0) {
        double variance = above(part[0] / COUNT(4), NUMBERS(5)[0]);
        ARRAY(2)[BLOCK_NUMBER] = (float)(0.5 * (COUNT(4) * log(6.28318530717958647692 * variance) + part[0] / variance));
    }
}

// outputs, x, dnats, doutputs, outputs of a row, values of a row, numbers: adds the gradients; a block for each row
KERNEL(gaussian_optimal_backward) {
    SQUARES_OF_ROW(part, ARRAY(0), ARRAY(1), COUNT(5))
    EACH_THREAD {
        float factor = (float)(ARRAY(2)[BLOCK_NUMBER] / above(part[0] / COUNT(5), NUMBERS(6)[0]));
        for (u32 value = THREAD; value < COUNT(5); value += BLOCK) {
            u64 at = (u64)BLOCK_NUMBER * COUNT(5) + value;
            ARRAY(3)[at] += factor * (ARRAY(0)[at] - ARRAY(1)[at]);
        }
    }
}

// outputs, x, nats, outputs of a row, values of a row, numbers (those of `Mixture`): a block for each row, a thread for each pixel
KERNEL(logistic_mixture) {
    SHARED double part[BLOCK];
    EACH_THREAD {
        const Mixture mixture(NUMBERS(5));
        const float* outputs = ARRAY(0) + (u64)BLOCK_NUMBER * COUNT(3);
        const float* x = ARRAY(1) + (u64)BLOCK_NUMBER * COUNT(4);
        double sum = 0.0;
        for (u32 pixel = THREAD; pixel < COUNT(4) / mixture.channels; pixel += BLOCK) {
            float all, joint;
            mixture.both(outputs + pixel * mixture.outputs(), x + pixel * mixture.channels, &all, &joint);
            sum += all - joint;
        }
        part[THREAD] = sum;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    EACH_THREAD if (THREAD == 0) {
        ARRAY(2)[BLOCK_NUMBER] = (float)part[0];
    }
}

// outputs, x, dnats, doutputs, outputs of a row, values of a row, numbers: adds the gradients
KERNEL(logistic_mixture_backward) {
    EACH_THREAD {
        const Mixture mixture(NUMBERS(6));
        u64 first = (u64)BLOCK_NUMBER * COUNT(4);
        const float* x = ARRAY(1) + (u64)BLOCK_NUMBER * COUNT(5);
        for (u32 pixel = THREAD; pixel < COUNT(5) / mixture.channels; pixel += BLOCK) {
            u64 at = first + pixel * mixture.outputs();
            mixture.add_slopes(ARRAY(0) + at, x + pixel * mixture.channels, ARRAY(2)[BLOCK_NUMBER], ARRAY(3) + at);
        }
    }
}
