//! The published curves, and the one that is derived here.

/// The share of blocks that end beside the chain, where n equal miners hear of each other's blocks after a delay of `x` times the
/// mean time between blocks.
///
/// Let blocks be found at rate λ and be under way for d, x = λd. Look at the time from the first block of a height to the first of the
/// next. Until d has passed, k miners have a block of this height, at first k = 1: the next block is the next height's with
/// probability k/n, and otherwise one more of this height, which ends beside the chain, and k grows. After d everybody is at
/// this height, and the next block is the next height's. So no block of the next height was found before s ≤ d with probability
/// S(s) = Σⱼ Poisson(j; λs) · (1 − 1/n)(1 − 2/n)…(1 − j/n), a height takes τ = ∫₀ᵈ S + S(d)/λ in the mean, and of λτ blocks one
/// is of the chain: the rate is 1 − 1/(λτ). It is exact for n = 1 (none) and n → ∞ (x/(1 + x)). In between it leaves out that at the
/// beginning of a height some may not have heard of the height before, which takes two blocks of one miner within d: an error
/// of the order of x²/n. For small x it is (1 − 1/n)x, as Decker and Wattenhofer have it: a block is beside another when
/// one of the others finds one before hearing of it, with probability 1 − exp(−(1 − 1/n)x).
#[must_use]
pub fn stale_rate(miners: u32, x: f64) -> f64 {
    const PARTS: u32 = 2_000;
    let n = f64::from(miners);
    let none_yet = |s: f64| {
        let (mut term, mut sum) = ((-s).exp(), 0.0);
        for j in 1..=miners {
            sum += term;
            term *= s / f64::from(j) * (1.0 - f64::from(j) / n).max(0.0);
        }
        sum
    };
    // Simpson's rule.
    let h = x / f64::from(PARTS);
    let weight = |part: u32| {
        if part == 0 || part == PARTS {
            1.0
        } else if part % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    let integral: f64 = (0..=PARTS).map(|part| weight(part) * none_yet(h * f64::from(part))).sum::<f64>() * h / 3.0;
    1.0 - 1.0 / (integral + none_yet(x))
}

/// The share of the chain's blocks that a selfish miner of share `alpha` has, where a share `gamma` of the others mines on its block in a
/// race: Eyal and Sirer, Majority is not enough, 2014, equation 8. From one half on it has all of them.
#[must_use]
pub fn selfish_revenue(alpha: f64, gamma: f64) -> f64 {
    if alpha >= 0.5 {
        return 1.0;
    }
    let won = alpha * (1.0 - alpha).powi(2) * (4.0 * alpha + gamma * (1.0 - 2.0 * alpha)) - alpha.powi(3);
    won / (1.0 - alpha * (1.0 + (2.0 - alpha) * alpha))
}

/// The share above which that is more than its own: (1 − γ)/(3 − 2γ).
#[must_use]
pub fn selfish_threshold(gamma: f64) -> f64 {
    (1.0 - gamma) / (3.0 - 2.0 * gamma)
}

/// The probability that an attacker of share `q` undoes a payment with `z` confirmations, if it begins one block ahead and never gives
/// up: Rosenfeld, Analysis of hashrate-based double-spending, 2014.
#[must_use]
pub fn double_spend(q: f64, z: u32) -> f64 {
    let p = 1.0 - q;
    if q >= p {
        return 1.0;
    }
    let exponent = |n: u32| i32::try_from(n).expect("few confirmations");
    let loses = |m: u32| {
        ways(z + m - 1, m) * (p.powi(exponent(z)) * q.powi(exponent(m)) - p.powi(exponent(m)) * q.powi(exponent(z)))
    };
    1.0 - (0..=z).map(loses).sum::<f64>()
}

/// The probability that who has the share `q` finds more than `n` blocks while the others find `n`.
#[must_use]
pub fn more_than(q: f64, n: u32) -> f64 {
    let exponent = |n: u32| i32::try_from(n).expect("few blocks");
    1.0 - (0..=n).map(|k| ways(n + k - 1, k) * (1.0 - q).powi(exponent(n)) * q.powi(exponent(k))).sum::<f64>()
}

/// n over k.
fn ways(n: u32, k: u32) -> f64 {
    (1..=k).map(|i| f64::from(n - k + i) / f64::from(i)).product()
}
