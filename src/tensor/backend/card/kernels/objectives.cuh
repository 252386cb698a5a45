// Operations of objectives on the terms of images, by `objective/`.
#pragma once
#include "likelihoods.cuh"

// The share of a sample from the negative log weights of all samples of its image, by `objective/importance.rs`.
// Numbers: groups, share of equal weights, whether the shares are squared.
DEVICE float share_of(const float* numbers, u32 sample, const float* recon, const float* kl, u32 count) {
    u32 groups = (u32)numbers[0], length = count / groups;
    u32 first = sample / length * length;
    double own = (double)recon[sample] + kl[sample], sum = 0.0;
    for (u32 other = first; other < first + length; ++other) {
        sum += exp(own - recon[other] - kl[other]);
    }
    double share = 1.0 / sum, equal = numbers[1];
    share = (numbers[2] != 0.0f ? share * share : share) / groups;
    return (float)(equal / count + (1.0 - equal) * share);
}

// recon, kl, weights, samples, samples, numbers (a share, whether another one divides it, that one, scale, least share), rows: the weight
// of each row
KERNEL(weigh) {
    EACH(row, COUNT(6)) {
        const float* numbers = NUMBERS(5);
        u32 count = COUNT(3), sample = row % count;
        const float *recon = ARRAY(0) + (u64)row * count, *kl = ARRAY(1) + (u64)row * count;
        float share = share_of(numbers, sample, recon, kl, count), least = numbers[8];
        if (numbers[3] != 0.0f) {
            float over = share_of(numbers + 4, sample, recon, kl, count);
            share /= over > least ? over : least;
        } else {
            share = share > least ? share : least;
        }
        ARRAY(2)[row] = numbers[7] * share;
    }
}

// nats, unused, weights, samples, samples, numbers (floor, weight), rows: the weight of each row whose sum is above the floor
KERNEL(above_floor) {
    EACH(row, COUNT(6)) {
        float sum = 0.0f;
        for (u32 sample = 0; sample < COUNT(3); ++sample) {
            sum += ARRAY(0)[(u64)row * COUNT(3) + sample] - NUMBERS(5)[0];
        }
        ARRAY(2)[row] = sum > 0.0f ? NUMBERS(5)[1] : 0.0f;
    }
}

// What a pair of logits says: the first minus the second, the cross entropy, or whether it is right.
enum OfLogits { DIFFERENCE, CROSS_ENTROPY, CORRECT };

// logits, unused, results, 2, 2, numbers (which, 1 or -1: the sign of the margin), rows
KERNEL(of_logits) {
    EACH(row, COUNT(6)) {
        float margin = NUMBERS(5)[1] * (ARRAY(0)[2 * row] - ARRAY(0)[2 * row + 1]);
        u32 which = (u32)NUMBERS(5)[0];
        float nats = (margin > 0.0f ? 0.0f : -margin) + log1pf(exp_of(-fabsf(margin)));
        ARRAY(2)[row] = which == CROSS_ENTROPY ? nats : which == CORRECT ? (margin > 0.0f ? 1.0f : 0.0f) : margin;
    }
}

// logits, unused, dresults, dlogits, 2, 2, numbers, rows: adds the gradients
KERNEL(of_logits_backward) {
    EACH(row, COUNT(7)) {
        float sign = NUMBERS(6)[1], margin = sign * (ARRAY(0)[2 * row] - ARRAY(0)[2 * row + 1]);
        u32 which = (u32)NUMBERS(6)[0];
        float slope = which == CROSS_ENTROPY ? -sign / (1.0f + exp_of(margin)) : which == CORRECT ? 0.0f : sign;
        ARRAY(3)[2 * row] += ARRAY(2)[row] * slope;
        ARRAY(3)[2 * row + 1] -= ARRAY(2)[row] * slope;
    }
}

// mean, log-variance, z, nats, rows, latent: log q(z|x) - log p(z) for a standard normal prior, by `objective/sampled_kl.rs`
KERNEL(sampled_kl) {
    EACH(row, COUNT(4)) {
        double sum = 0.0;
        for (u32 axis = 0; axis < COUNT(5); ++axis) {
            u32 at = row * COUNT(5) + axis;
            double log_variance = ARRAY(1)[at], z = ARRAY(2)[at], difference = z - ARRAY(0)[at];
            sum += 0.5 * (z * z - difference * difference * exp(-log_variance) - log_variance);
        }
        ARRAY(3)[row] = (float)sum;
    }
}

// mean, log-variance, z, dnats, rows, latent, dmean, dlog-variance, dz, numbers (whether only the path through z has a gradient): adds the
// gradients
KERNEL(sampled_kl_backward) {
    EACH(at, COUNT(4) * COUNT(5)) {
        float dnats = ARRAY(3)[at / COUNT(5)], z = ARRAY(2)[at];
        float difference = z - ARRAY(0)[at], scaled = difference * exp_of(-ARRAY(1)[at]);
        ARRAY(8)[at] += dnats * (z - scaled);
        if (NUMBERS(9)[0] == 0.0f) {
            ARRAY(6)[at] += dnats * scaled;
            ARRAY(7)[at] += dnats * 0.5f * (scaled * difference - 1.0f);
        }
    }
}
