// Codes of images: their KL, samples of them, and noise.
#pragma once
#include "random.cuh"

// mean, log-variance, noise, z, count, scale
KERNEL(reparameterize) {
    EACH(place, COUNT(4)) {
        ARRAY(3)[place] = ARRAY(0)[place] + exp_of(NUMBER(5) * ARRAY(1)[place]) * ARRAY(2)[place];
    }
}

// log-variance, noise, dz, dmean, dlog-variance, count, scale: adds the gradients
KERNEL(reparameterize_backward) {
    EACH(place, COUNT(5)) {
        float dz = ARRAY(2)[place];
        ARRAY(3)[place] += dz;
        ARRAY(4)[place] += dz * NUMBER(6) * exp_of(NUMBER(6) * ARRAY(0)[place]) * ARRAY(1)[place];
    }
}

// mean, log-variance, nats, rows, latent: the KL of each row
KERNEL(kl) {
    EACH(row, COUNT(3)) {
        double sum = 0.0;
        for (u32 axis = 0; axis < COUNT(4); ++axis) {
            double mean = ARRAY(0)[row * COUNT(4) + axis], log_variance = ARRAY(1)[row * COUNT(4) + axis];
            sum += 0.5 * (mean * mean + (expm1(log_variance) - log_variance));
        }
        ARRAY(2)[row] = (float)sum;
    }
}

// mean, log-variance, dnats, dmean, dlog-variance, count, latent: adds the gradients
KERNEL(kl_backward) {
    EACH(place, COUNT(5)) {
        float dnats = ARRAY(2)[place / COUNT(6)];
        ARRAY(3)[place] += dnats * ARRAY(0)[place];
        ARRAY(4)[place] += dnats * 0.5f * (float)expm1((double)ARRAY(1)[place]);
    }
}

// address (2 words: epoch), images, noise, count of images, latent, samples, seed, purpose: standard normals; a thread for each
// block of 16 words of a stream
KERNEL(noise) {
    u64 epoch = ((const u64*)words.word[0])[0];
    const u32* images = (const u32*)words.word[1];
    u32 latent = COUNT(4), samples = COUNT(5);
    // Pairs of normals of a sample, and of an image.
    u32 pairs = (latent + 1) / 2, all = pairs * samples, blocks = (all + 7) / 8;
    EACH(thread, COUNT(3) * blocks) {
        u32 image = thread / blocks;
        u32 block = thread % blocks;
        u32 random[16];
        stream_block(words.word[6], words.word[7], epoch, images[image], block, random);
        for (u32 place = 0; place < 8; ++place) {
            u32 pair = block * 8 + place;
            if (pair < all) {
                float normal[2];
                normals_of(random[2 * place], random[2 * place + 1], normal);
                u32 sample = pair / pairs, axis = 2 * (pair % pairs);
                float* row = ARRAY(2) + (image * samples + sample) * latent;
                row[axis] = normal[0];
                if (axis + 1 < latent) {
                    row[axis + 1] = normal[1];
                }
            }
        }
    }
}
