// The continuous Bernoulli and the discretized logistic distribution, by `model/likelihood/continuous_bernoulli.rs`, `logistic.rs` and
// `logistic_mixture/`, which have the formulas.
#pragma once
#include "elementary.cuh"

namespace ContinuousBernoulli {
    // Up to this logit, series are used.
    DEVICE bool is_near(float size) {
        return size < 2.0f;
    }
    DEVICE float nats(float logit, float x) {
        float size = fabsf(logit), square = 0.25f * logit * logit;
        float series = -1.138412e-11f;
        series = series * square + 1.2504672e-10f;
        series = series * square + -1.388413e-9f;
        series = series * square + 1.566099e-8f;
        series = series * square + -1.8036724e-7f;
        series = series * square + 1.0f / 467775.0f;
        series = series * square + -1.0f / 37800.0f;
        series = series * square + 1.0f / 2835.0f;
        series = series * square + -1.0f / 180.0f;
        series = series * square + 1.0f / 6.0f;
        float near = logit * (0.5f - x) + square * series;
        float linear = logit > 0.0f ? logit * (1.0f - x) : -logit * x;
        float far = linear + ln_of((1.0f - exp_of(-size)) / size);
        return is_near(size) ? near : far;
    }
    DEVICE float mean(float logit) {
        float size = fabsf(logit), square = 0.25f * logit * logit;
        float above = (square + 189.0f) * square + 3465.0f, below = (21.0f * square + 1260.0f) * square + 10395.0f;
        float near = 0.5f + 0.25f * logit * (above / below);
        float small = exp_of(-size), inverse = 1.0f / size;
        float far = logit > 0.0f ? 1.0f / (1.0f - small) - inverse : inverse - small / (1.0f - small);
        return is_near(size) ? near : far;
    }
}

DEVICE float softplus_of(float x) {
    return (x < 0.0f ? 0.0f : x) + ln_1p_of_unit(exp_of(-fabsf(x)));
}

// A logistic distribution in bins. Its numbers: the factor and the constant that map a value to its level, the greatest level.
struct Bins {
    float factor, constant, last;

    METHOD explicit Bins(const float* numbers) : factor(numbers[0]), constant(numbers[1]), last(numbers[2]) {}

    METHOD float level(float x) const {
        const float ROUNDER = 12582912.0f;
        return (x * factor + constant + ROUNDER) - ROUNDER;
    }
    // In [-1, 1].
    METHOD float place(float level) const {
        return (2.0f * level - last) / last;
    }
    METHOD float nats(float x, float location, float log_scale) const {
        float inverse = exp_of(-log_scale), at = level(x), half = 1.0f / last;
        float between = logf(2.0f / last) - log_scale + ContinuousBernoulli::nats(-2.0f * inverse / last, 0.0f);
        bool is_first = at < 0.5f, is_last = at > last - 0.5f;
        float distance = place(at) - location;
        float above = is_last ? 0.0f : softplus_of(-(distance + half) * inverse);
        float below = is_first ? 0.0f : softplus_of((distance - half) * inverse);
        return above + below - (is_first || is_last ? 0.0f : between);
    }
    METHOD void slopes(float x, float location, float log_scale, float* by_location, float* by_scale) const {
        float inverse = exp_of(-log_scale), at = level(x), half = 1.0f / last, width = 2.0f * inverse / last;
        bool is_first = at < 0.5f, is_last = at > last - 0.5f;
        float distance = place(at) - location;
        float high = (distance + half) * inverse, low = (distance - half) * inverse;
        float above = is_last ? 0.0f : sigmoid_of(-high), below = is_first ? 0.0f : sigmoid_of(low);
        float between = is_first || is_last ? 0.0f : 1.0f - width * ContinuousBernoulli::mean(-width);
        *by_location = inverse * (above - below);
        *by_scale = above * high - below * low + between;
    }
};

// The logarithm of a sum of exponentials, one after the other.
struct LogSum {
    float most, sum;

    METHOD LogSum() : most(0.0f), sum(0.0f) {}

    METHOD void add(float term) {
        if (sum == 0.0f || term > most) {
            sum = sum * (sum == 0.0f ? 1.0f : exp_of(most - term)) + 1.0f;
            most = term;
        } else {
            sum += exp_of(term - most);
        }
    }
    METHOD float value() const {
        return most + ln_of(sum);
    }
};

// A mixture of logistic distributions of the pixels of an image. Its numbers: components, channels, those of `Bins`, the least logarithm
// of a scale.
struct Mixture {
    u32 components, channels;
    Bins bins;
    float floor;

    METHOD explicit Mixture(const float* numbers)
        : components((u32)numbers[0]), channels((u32)numbers[1]), bins(numbers + 2), floor(numbers[5]) {}

    // The number of outputs of a pixel, and where those of a kind begin.
    METHOD u32 outputs() const {
        return components * (1 + 2 * channels + channels * (channels - 1) / 2);
    }
    METHOD u32 location_at(u32 channel) const {
        return components * (1 + 2 * channel);
    }
    METHOD u32 coefficient_at(u32 channel, u32 earlier) const {
        return components * (1 + 2 * channels + channel * (channel - 1) / 2 + earlier);
    }
    METHOD float location(const float* outputs, const float* x, u32 channel, u32 component) const {
        float location = outputs[location_at(channel) + component];
        for (u32 earlier = 0; earlier < channel; ++earlier) {
            float place = bins.place(bins.level(x[earlier]));
            location += tanh_of(outputs[coefficient_at(channel, earlier) + component]) * place;
        }
        return location;
    }
    METHOD float log_scale(const float* outputs, u32 channel, u32 component) const {
        float log_scale = outputs[location_at(channel) + components + component];
        return log_scale < floor ? floor : log_scale;
    }
    // The logarithm of the weight of a component times the probability of a pixel, up to the constant of the weights.
    METHOD float joint(const float* outputs, const float* x, u32 component) const {
        float joint = outputs[component];
        for (u32 channel = 0; channel < channels; ++channel) {
            joint -= bins.nats(x[channel], location(outputs, x, channel, component), log_scale(outputs, channel, component));
        }
        return joint;
    }
    // The logarithms of the sums of the weights, and of the joint probabilities.
    METHOD void both(const float* outputs, const float* x, float* all, float* joints) const {
        LogSum of_weights, of_joints;
        for (u32 component = 0; component < components; ++component) {
            of_weights.add(outputs[component]);
            of_joints.add(joint(outputs, x, component));
        }
        *all = of_weights.value();
        *joints = of_joints.value();
    }
    // Adds the gradients of a pixel.
    METHOD void add_slopes(const float* outputs, const float* x, float dnats, float* doutputs) const {
        float all, joints;
        both(outputs, x, &all, &joints);
        for (u32 component = 0; component < components; ++component) {
            float share = exp_of(joint(outputs, x, component) - joints);
            doutputs[component] += dnats * (exp_of(outputs[component] - all) - share);
            for (u32 channel = 0; channel < channels; ++channel) {
                float by_location, by_scale;
                bins.slopes(x[channel], location(outputs, x, channel, component), log_scale(outputs, channel, component),
                            &by_location, &by_scale);
                u32 at = location_at(channel) + component;
                doutputs[at] += dnats * share * by_location;
                doutputs[at + components] += outputs[at + components] < floor ? 0.0f : dnats * share * by_scale;
                for (u32 earlier = 0; earlier < channel; ++earlier) {
                    u32 coefficient = coefficient_at(channel, earlier) + component;
                    float bounded = tanh_of(outputs[coefficient]);
                    float place = bins.place(bins.level(x[earlier]));
                    doutputs[coefficient] += dnats * share * by_location * place * (1.0f - bounded * bounded);
                }
            }
        }
    }
};
