using System.Collections.Immutable;
using NodaTime;

namespace Incidents.Domain.PostMortems;

/// <summary>The sections of a post-mortem, in the order they are read. Text keys, as in the API.</summary>
public static class PostMortemSections
{
    public const string Summary = "summary";
    public const string Impact = "impact";
    public const string Trigger = "trigger";
    public const string Detection = "detection";
    public const string Response = "response";
    public const string Recovery = "recovery";
    public const string ContributingFactors = "contributing_factors";
    public const string WentWell = "went_well";
    public const string WentWrong = "went_wrong";
    public const string GotLucky = "got_lucky";
    public const string FollowUps = "follow_ups";

    public static readonly ImmutableArray<PostMortemSectionKind> All =
    [
        new(Summary, "Summary", "What happened, in two or three sentences that somebody from another team understands."),
        new(Impact, "Impact", "Who noticed what, for how long: users, requests, money, data. Numbers, or the word none."),
        new(Trigger, "Trigger", "What set it off: a change, load, an expiry."),
        new(Detection, "Detection", "How did we learn of it, and what would have told us in half the time?"),
        new(Response, "Response", "Who did what, and what did they know at that moment?"),
        new(Recovery, "Recovery", "What ended it, and how do we know that it did?"),
        new(ContributingFactors, "Contributing factors", "Hypotheses, each unconfirmed until it says what evidence confirms it. No names as causes."),
        new(WentWell, "What went well", "What should we keep?"),
        new(WentWrong, "What went wrong", "What made it worse, slower or harder?"),
        new(GotLucky, "Where we got lucky", "What could have made it worse and did not?"),
        new(FollowUps, "Follow-ups", "What will be done, by whom, by when, and how will we see that it is done?"),
    ];

    public static bool IsKey(string key) => All.Any(s => s.Key == key);

    /// <summary>The heading of a section.</summary>
    public static string TitleOf(string key) => All.Single(s => s.Key == key).Title;
}

/// <param name="Key">Stable, snake_case.</param>
/// <param name="Title">As a heading.</param>
/// <param name="Prompt">What to write there.</param>
public sealed record PostMortemSectionKind(string Key, string Title, string Prompt);

/// <summary>One section as it stands.</summary>
public sealed record PostMortemSection
{
    public required string Key { get; init; }

    /// <summary>Markdown.</summary>
    public required string Text { get; init; }

    /// <summary>The engine's own sentences, kept also after a person wrote over them.</summary>
    public ImmutableArray<DraftSentence> Drafted { get; init; } = [];

    /// <summary>The last person who wrote it; null while it is the engine's.</summary>
    public string? EditedBy { get; init; }

    public Instant? EditedAt { get; init; }

    /// <summary>Revision of the post-mortem in which this section last changed.</summary>
    public required long Revision { get; init; }
}
