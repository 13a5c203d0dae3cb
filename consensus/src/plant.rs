//! Planted bugs: each takes one rule out, so that tests can show that the simulator's referee finds its absence.
//!
//! Only with the cargo feature `plant`, which no released build has, or in this crate's own tests, can one be armed; otherwise
//! [`armed`] is `false` at compile time. A bug is armed for the current thread, so that runs beside each other do not disturb one another.

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// PBFT: own votes are not restored, so that a replica votes twice.
    ForgetVotes,
    /// PBFT: certificates need one vote less than a quorum.
    SmallQuorum,
    /// PBFT: a vote is made durable after it was sent.
    PersistAfterSend,
    /// PBFT: a height is proposed and prepared without its parent being prepared.
    SkipLink,
    /// PBFT: a block counts as final as soon as it is prepared.
    ConnectUncommitted,
    /// PBFT: a new view takes the first certificate found for a height, not the one of the highest view.
    FirstCertificate,
    /// PBFT: a replica votes for any block at a height for which its view chose one.
    IgnoreChoice,
    /// PBFT: a replica votes at and below the base of its view.
    VoteBelowBase,
    /// PBFT: a height is linked to a parent that was prepared in an older view only.
    LinkAcrossViews,
    /// PBFT: COMMITs are sent far above the window.
    WideWindow,
    /// PBFT: a replica whose coins are not those of a stable checkpoint goes on with them.
    IgnoreDivergence,
    /// PBFT: buckets of a snapshot are taken as they come.
    TrustBuckets,
    /// PBFT: a crash forgets which views were left and entered.
    ForgetViews,
    /// PBFT: a primary proposes a height without being prepared on its parent itself.
    UnboundPrimary,
    /// PBFT: COMMITs of different views are counted together.
    MixViews,
    /// PBFT: the signature of a VIEW-CHANGE does not cover its certificates.
    UnsignedContent,
    /// PBFT: a prepared certificate is taken with any number of PREPAREs.
    UncountedPrepares,
    /// PBFT: a NEW-VIEW is taken with any number of VIEW-CHANGEs.
    UncountedChanges,
    /// PBFT: a view is joined as soon as a single member wants it.
    JoinAnyone,
    /// PBFT: of the views that others want the highest is joined, not the smallest.
    JoinHighest,
    /// PBFT: a primary may pass a transaction over for ever.
    EndlessPatience,
    /// PBFT: what waits too long is held against the primary without being handed to it first.
    NoHandOver,
    /// PBFT: a primary may crawl just below the timeout.
    BearCrawling,
    /// PBFT: an invalid block is not held against its primary.
    BearInvalid,
    /// PBFT: all that waits is due, whether or not there is room for it in the next block.
    BacklogDue,
    /// PBFT: a view has as long as the one before it that failed.
    NoDoubling,
    /// PBFT: a replica that is behind in views is not told of the present one.
    NoNewViewAnswer,
    /// PBFT: neither votes nor VIEW-CHANGEs are sent again.
    NoResend,
    /// PBFT: a replica votes in a view whose NEW-VIEW it has not seen.
    EagerView,
    /// PBFT: blocks above an epoch's last height are valid.
    EndlessEpoch,
    /// PBFT: a change of members serves any epoch.
    ReplayedChange,
    /// PBFT: a member that lost its vote log votes on at once.
    AmnesiacVotes,
    /// Proof of work: the longest chain wins, not the one with the most work.
    TipByHeight,
    /// Proof of work: final blocks are withdrawn without a word.
    SilentReorg,
    /// Proof of work: what was told final is not remembered across a crash.
    ForgetFinal,
    /// Proof of work: blocks are undone from the fork up, not from the tip down.
    UndoOrder,
    /// Proof of work: branches are followed however deep they fork off.
    DeepReorg,
    /// Proof of work: a branch that forks off too deep is left without a word.
    MuteAlarm,
    /// Proof of work: mining goes on while a branch with more work is refused.
    MineContested,
    /// Proof of work: a refused branch with more work changes nothing in what is final.
    FinalContested,
    /// Proof of work: a branch with as much work as the chain is switched to.
    TieMoves,
    /// Proof of work: headers are not asked for.
    AskNobody,
}

impl Plant {
    /// Every one.
    pub const ALL: [Plant; 42] = [
        Plant::ForgetVotes,
        Plant::SmallQuorum,
        Plant::PersistAfterSend,
        Plant::SkipLink,
        Plant::ConnectUncommitted,
        Plant::FirstCertificate,
        Plant::IgnoreChoice,
        Plant::VoteBelowBase,
        Plant::LinkAcrossViews,
        Plant::WideWindow,
        Plant::IgnoreDivergence,
        Plant::TrustBuckets,
        Plant::ForgetViews,
        Plant::UnboundPrimary,
        Plant::MixViews,
        Plant::UnsignedContent,
        Plant::UncountedPrepares,
        Plant::UncountedChanges,
        Plant::JoinAnyone,
        Plant::JoinHighest,
        Plant::EndlessPatience,
        Plant::NoHandOver,
        Plant::BearCrawling,
        Plant::BearInvalid,
        Plant::BacklogDue,
        Plant::NoDoubling,
        Plant::NoNewViewAnswer,
        Plant::NoResend,
        Plant::EagerView,
        Plant::EndlessEpoch,
        Plant::ReplayedChange,
        Plant::AmnesiacVotes,
        Plant::TipByHeight,
        Plant::SilentReorg,
        Plant::ForgetFinal,
        Plant::UndoOrder,
        Plant::DeepReorg,
        Plant::MuteAlarm,
        Plant::MineContested,
        Plant::FinalContested,
        Plant::TieMoves,
        Plant::AskNobody,
    ];

    /// A stable name for command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plant::ForgetVotes => "forget-votes",
            Plant::SmallQuorum => "small-quorum",
            Plant::PersistAfterSend => "persist-after-send",
            Plant::SkipLink => "skip-link",
            Plant::ConnectUncommitted => "connect-uncommitted",
            Plant::FirstCertificate => "first-certificate",
            Plant::IgnoreChoice => "ignore-choice",
            Plant::VoteBelowBase => "vote-below-base",
            Plant::LinkAcrossViews => "link-across-views",
            Plant::WideWindow => "wide-window",
            Plant::IgnoreDivergence => "ignore-divergence",
            Plant::TrustBuckets => "trust-buckets",
            Plant::ForgetViews => "forget-views",
            Plant::UnboundPrimary => "unbound-primary",
            Plant::MixViews => "mix-views",
            Plant::UnsignedContent => "unsigned-content",
            Plant::UncountedPrepares => "uncounted-prepares",
            Plant::UncountedChanges => "uncounted-changes",
            Plant::JoinAnyone => "join-anyone",
            Plant::JoinHighest => "join-highest",
            Plant::EndlessPatience => "endless-patience",
            Plant::NoHandOver => "no-hand-over",
            Plant::BearCrawling => "bear-crawling",
            Plant::BearInvalid => "bear-invalid",
            Plant::BacklogDue => "backlog-due",
            Plant::NoDoubling => "no-doubling",
            Plant::NoNewViewAnswer => "no-new-view-answer",
            Plant::NoResend => "no-resend",
            Plant::EagerView => "eager-view",
            Plant::EndlessEpoch => "endless-epoch",
            Plant::ReplayedChange => "replayed-change",
            Plant::AmnesiacVotes => "amnesiac-votes",
            Plant::TipByHeight => "tip-by-height",
            Plant::SilentReorg => "silent-reorg",
            Plant::ForgetFinal => "forget-final",
            Plant::UndoOrder => "undo-order",
            Plant::DeepReorg => "deep-reorg",
            Plant::MuteAlarm => "mute-alarm",
            Plant::MineContested => "mine-contested",
            Plant::FinalContested => "final-contested",
            Plant::TieMoves => "tie-moves",
            Plant::AskNobody => "ask-nobody",
        }
    }

    /// Whether it is a bug of the PBFT engine; the others are of proof of work.
    #[must_use]
    pub fn is_of_pbft(self) -> bool {
        match self {
            Plant::ForgetVotes
            | Plant::SmallQuorum
            | Plant::PersistAfterSend
            | Plant::SkipLink
            | Plant::ConnectUncommitted
            | Plant::FirstCertificate
            | Plant::IgnoreChoice
            | Plant::VoteBelowBase
            | Plant::LinkAcrossViews
            | Plant::WideWindow
            | Plant::IgnoreDivergence
            | Plant::TrustBuckets
            | Plant::ForgetViews
            | Plant::UnboundPrimary
            | Plant::MixViews
            | Plant::UnsignedContent
            | Plant::UncountedPrepares
            | Plant::UncountedChanges
            | Plant::JoinAnyone
            | Plant::JoinHighest
            | Plant::EndlessPatience
            | Plant::NoHandOver
            | Plant::BearCrawling
            | Plant::BearInvalid
            | Plant::BacklogDue
            | Plant::NoDoubling
            | Plant::NoNewViewAnswer
            | Plant::NoResend
            | Plant::EagerView
            | Plant::EndlessEpoch
            | Plant::ReplayedChange
            | Plant::AmnesiacVotes => true,
            Plant::TipByHeight
            | Plant::SilentReorg
            | Plant::ForgetFinal
            | Plant::UndoOrder
            | Plant::DeepReorg
            | Plant::MuteAlarm
            | Plant::MineContested
            | Plant::FinalContested
            | Plant::TieMoves
            | Plant::AskNobody => false,
        }
    }
}

#[cfg(any(test, feature = "plant"))]
thread_local! {
    static ARMED: std::cell::Cell<Option<Plant>> = const { std::cell::Cell::new(None) };
}

/// Arms one bug, or none, for engines that run on this thread from now on.
#[cfg(any(test, feature = "plant"))]
pub fn arm(plant: Option<Plant>) {
    ARMED.set(plant);
}

/// Whether a bug is armed on this thread.
#[cfg(any(test, feature = "plant"))]
#[must_use]
pub fn armed(plant: Plant) -> bool {
    ARMED.get() == Some(plant)
}

/// Never, in a build without the feature `plant`.
#[cfg(not(any(test, feature = "plant")))]
#[must_use]
pub const fn armed(_: Plant) -> bool {
    false
}
