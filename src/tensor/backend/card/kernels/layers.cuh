// What layers do besides products of matrices: bias and activation, windows of feature maps, group normalization.
#pragma once
#include "elementary.cuh"

// In the order of `tensor/kernels/activation/mod.rs`.
enum Activation { IDENTITY, RELU, TANH, LEAKY_RELU, LEAKY_RELU_02, ELU, SILU, GELU, SOFTPLUS, SIGMOID };

DEVICE float activation_of(u32 activation, float x) {
    switch (activation) {
        case RELU: return x < 0.0f ? 0.0f : x;
        case SIGMOID: return sigmoid_of(x);
        case TANH: return tanh_of(x);
        case LEAKY_RELU: return x < 0.0f ? 0.01f * x : x;
        case LEAKY_RELU_02: return x < 0.0f ? 0.2f * x : x;
        case ELU: return x > 0.0f ? x : exp_m1_of_negative(x);
        case SOFTPLUS: return (x > 0.0f ? x : x != x ? x : 0.0f) + ln_1p_of_unit(exp_of(-fabsf(x)));
        case SILU: return x * sigmoid_of(x);
        case GELU: return x * normal_below(x);
        default: return x;
    }
}

// From the value, or from the argument if the value does not determine the derivative.
DEVICE float activation_gradient(u32 activation, float at, float dy) {
    switch (activation) {
        case RELU: return at > 0.0f ? dy : 0.0f;
        case SIGMOID: return dy * at * (1.0f - at);
        case TANH: return dy * (1.0f - at * at);
        case LEAKY_RELU: return at > 0.0f ? dy : 0.01f * dy;
        case LEAKY_RELU_02: return at > 0.0f ? dy : 0.2f * dy;
        case ELU: return at > 0.0f ? dy : dy * (at + 1.0f);
        case SOFTPLUS: return -dy * exp_m1_of_negative(-at);
        case SILU: {
            float gate = sigmoid_of(at);
            return dy * (gate + at * gate * (1.0f - gate));
        }
        case GELU: return dy * (normal_below(at) + at * 0.3989423f * exp_of(-0.5f * at * at));
        default: return dy;
    }
}

// y (rows, outputs), bias, values before the activation or 0, count, outputs, activation: y = activation(y + bias)
KERNEL(activate) {
    const float* bias = ARRAY(1);
    float* before = ARRAY(2);
    EACH(place, COUNT(3)) {
        float x = ARRAY(0)[place] + bias[place % COUNT(4)];
        if (before) {
            before[place] = x;
        }
        ARRAY(0)[place] = activation_of(COUNT(5), x);
    }
}

// dy, values (or arguments), count, activation: gradients with respect to values become those with respect to arguments
KERNEL(turn) {
    EACH(place, COUNT(2)) {
        ARRAY(0)[place] = activation_gradient(COUNT(3), ARRAY(1)[place], ARRAY(0)[place]);
    }
}

// The sizes of a convolution in the words from 2 on: images, height, width and channels of the larger side, height and width of the
// smaller side, kernel, stride, rows of zeros above and to the left.
struct Sizes {
    u32 images, height, width, channels, small_height, small_width, kernel, stride, above, left;
};

DEVICE Sizes sizes_of(const Words& words) {
    Sizes sizes = {COUNT(2), COUNT(3), COUNT(4), COUNT(5), COUNT(6), COUNT(7), COUNT(8), COUNT(9), COUNT(10), COUNT(11)};
    return sizes;
}

// The numbers under each window of x (images, height, width, channels): (images, small height, small width, kernel, kernel, channels).
// T has some of the channels, of which there are `channels`.
template <typename T>
DEVICE void windows_of(const T* x, T* columns, Sizes s, u32 channels) {
    EACH(place, s.images * s.small_height * s.small_width * s.kernel * s.kernel * channels) {
        u32 rest = place;
        u32 channel = rest % channels; rest /= channels;
        u32 across = rest % s.kernel; rest /= s.kernel;
        u32 down = rest % s.kernel; rest /= s.kernel;
        u32 column = rest % s.small_width; rest /= s.small_width;
        u32 row = rest % s.small_height; rest /= s.small_height;
        int y = (int)(row * s.stride + down) - (int)s.above, at = (int)(column * s.stride + across) - (int)s.left;
        bool is_inside = y >= 0 && y < (int)s.height && at >= 0 && at < (int)s.width;
        T zeros = {};
        columns[place] = is_inside ? x[((rest * s.height + y) * s.width + at) * channels + channel] : zeros;
    }
}

DEVICE void add_to(float* sum, float more) {
    *sum += more;
}

DEVICE void add_to(Quad* sum, Quad more) {
    for (u32 place = 0; place < 4; ++place) {
        sum->value[place] += more.value[place];
    }
}

// The adjoint of `windows_of`.
template <typename T>
DEVICE void fold_of(const T* columns, T* x, Sizes s, u32 channels, bool adds) {
    EACH(place, s.images * s.height * s.width * channels) {
        u32 rest = place;
        u32 channel = rest % channels; rest /= channels;
        u32 right = rest % s.width + s.left; rest /= s.width;
        u32 below = rest % s.height + s.above; rest /= s.height;
        T sum = {};
        // The windows above this pixel, from the one that begins last.
        for (u32 down = below % s.stride; down < s.kernel && down <= below; down += s.stride) {
            u32 row = (below - down) / s.stride;
            for (u32 across = right % s.stride; across < s.kernel && across <= right; across += s.stride) {
                u32 column = (right - across) / s.stride;
                if (row < s.small_height && column < s.small_width) {
                    u32 window = (rest * s.small_height + row) * s.small_width + column;
                    add_to(&sum, columns[((window * s.kernel + down) * s.kernel + across) * channels + channel]);
                }
            }
        }
        if (adds) {
            add_to(&sum, x[place]);
        }
        x[place] = sum;
    }
}

// x, columns, sizes
KERNEL(windows) {
    Sizes s = sizes_of(words);
    if (s.channels % 4 == 0) {
        windows_of((const Quad*)words.word[0], (Quad*)words.word[1], s, s.channels / 4);
    } else {
        windows_of((const float*)words.word[0], ARRAY(1), s, s.channels);
    }
}

// columns, x, sizes, whether to add
KERNEL(fold) {
    Sizes s = sizes_of(words);
    if (s.channels % 4 == 0) {
        fold_of((const Quad*)words.word[0], (Quad*)words.word[1], s, s.channels / 4, COUNT(12));
    } else {
        fold_of((const float*)words.word[0], ARRAY(1), s, s.channels, COUNT(12));
    }
}

// x (rows, pixels, channels), y, weight, bias, moments (rows, groups, 2), groups, pixels, channels: a block for each group of a row
KERNEL(group_norm) {
    u32 groups = COUNT(5), pixels = COUNT(6), channels = COUNT(7), size = channels / groups;
    u32 row = BLOCK_NUMBER / groups, group = BLOCK_NUMBER % groups;
    u64 first = (u64)row * pixels * channels + group * size;
    u32 count = pixels * size;
    SHARED double part[BLOCK];
    EACH_THREAD {
        double sum = 0.0;
        for (u32 place = THREAD; place < count; place += BLOCK) {
            sum += ARRAY(0)[first + (u64)(place / size) * channels + place % size];
        }
        part[THREAD] = sum;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    SHARED double mean, scale;
    EACH_THREAD if (THREAD == 0) {
        mean = part[0] / count;
    }
    SYNC;
    EACH_THREAD {
        double sum = 0.0;
        for (u32 place = THREAD; place < count; place += BLOCK) {
            double distance = ARRAY(0)[first + (u64)(place / size) * channels + place % size] - mean;
            sum += distance * distance;
        }
        part[THREAD] = sum;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    EACH_THREAD if (THREAD == 0) {
        scale = 1.0 / sqrt(part[0] / count + 1e-5);
        ((double*)words.word[4])[2 * BLOCK_NUMBER] = mean;
        ((double*)words.word[4])[2 * BLOCK_NUMBER + 1] = scale;
    }
    SYNC;
    EACH_THREAD {
        for (u32 place = THREAD; place < count; place += BLOCK) {
            u64 at = first + (u64)(place / size) * channels + place % size;
            u32 channel = group * size + place % size;
            float normal = (float)((ARRAY(0)[at] - mean) * scale);
            ARRAY(1)[at] = normal * ARRAY(2)[channel] + ARRAY(3)[channel];
        }
    }
}

// x, dy, dx, weight, moments, groups, pixels, channels, whether to add to dx: a block for each group of a row
KERNEL(group_norm_backward) {
    u32 groups = COUNT(5), pixels = COUNT(6), channels = COUNT(7), size = channels / groups;
    u32 row = BLOCK_NUMBER / groups, group = BLOCK_NUMBER % groups;
    u64 first = (u64)row * pixels * channels + group * size;
    u32 count = pixels * size;
    const double* moments = (const double*)words.word[4] + 2 * BLOCK_NUMBER;
    double mean = moments[0], scale = moments[1];
    SHARED double sums[BLOCK], products[BLOCK];
    EACH_THREAD {
        double sum = 0.0, product = 0.0;
        for (u32 place = THREAD; place < count; place += BLOCK) {
            u64 at = first + (u64)(place / size) * channels + place % size;
            double change = (double)ARRAY(1)[at] * ARRAY(3)[group * size + place % size];
            sum += change;
            product += change * ((ARRAY(0)[at] - mean) * scale);
        }
        sums[THREAD] = sum;
        products[THREAD] = product;
    }
    SYNC;
    SUM_OF_BLOCK(sums)
    SUM_OF_BLOCK(products)
    EACH_THREAD {
        for (u32 place = THREAD; place < count; place += BLOCK) {
            u64 at = first + (u64)(place / size) * channels + place % size;
            double normal = (ARRAY(0)[at] - mean) * scale;
            double change = (double)ARRAY(1)[at] * ARRAY(3)[group * size + place % size];
            float dx = (float)(scale * (change - sums[0] / count - normal * (products[0] / count)));
            ARRAY(2)[at] = COUNT(8) ? ARRAY(2)[at] + dx : dx;
        }
    }
}

// x, dy, parts (rows, 2 channels), moments, groups, pixels, channels: the parts of each row of the gradients by weight and bias; a block
// for each row
KERNEL(group_norm_sums) {
    u32 groups = COUNT(4), pixels = COUNT(5), channels = COUNT(6), size = channels / groups;
    u64 first = (u64)BLOCK_NUMBER * pixels * channels;
    const double* moments = (const double*)words.word[3] + 2 * (u64)BLOCK_NUMBER * groups;
    EACH_THREAD {
        for (u32 channel = THREAD; channel < channels; channel += BLOCK) {
            double mean = moments[2 * (channel / size)], scale = moments[2 * (channel / size) + 1];
            double sum = 0.0, product = 0.0;
            for (u32 pixel = 0; pixel < pixels; ++pixel) {
                u64 at = first + (u64)pixel * channels + channel;
                double dy = ARRAY(1)[at];
                sum += dy;
                product += dy * (ARRAY(0)[at] - mean) * scale;
            }
            ARRAY(2)[(u64)BLOCK_NUMBER * 2 * channels + channel] = (float)product;
            ARRAY(2)[((u64)BLOCK_NUMBER * 2 + 1) * channels + channel] = (float)sum;
        }
    }
}
