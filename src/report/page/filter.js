// The filter of trials.

/** The tokens that the words of a filter are compared with: `key=value` of all keys, and the id and status of the trial. */
function tokensOf(page, trial) {
    const without = page.varied.filter((key) => !(key in trial.spec)).map((key) => [key, null]);
    const pairs = [...Object.entries(trial.spec), ...without].flatMap(([key, value]) =>
        [...new Set([key, page.keyName(key), key.split(".").pop()])].map((name) => `${name}=${text(value)}`));
    return new Set([...pairs, trial.trial, trial.status].map((token) => token.toLowerCase()));
}

/** Whether a trial matches all words of the filter. If any trial has exactly the token `key=value`, only that value matches
 * (`latent_dim=2` does not match 20), else all tokens that start with it. Other words may occur anywhere. */
function matches(page, trial) {
    if (page.status && trial.status !== page.status) return false;
    const tokens = page.tokens.get(trial);
    const line = `${page.trialName(trial)} ${trial.trial} ${trial.status}`.toLowerCase();
    return page.filter.toLowerCase().split(/[\s,]+/).filter(Boolean).every((word) => {
        if (!word.includes("=")) return line.includes(word);
        return page.allTokens.has(word) ? tokens.has(word) : [...tokens].some((token) => token.startsWith(word));
    });
}
