using System.Collections.Immutable;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.OnCall;

/// <summary>Somebody who can be on call.</summary>
public sealed record Person
{
    /// <summary>Unique key in <c>oncall.yaml</c>; everything refers to it.</summary>
    public required string Key { get; init; }

    public required string Name { get; init; }

    public string? Email { get; init; }

    /// <summary>Member id (<c>U024BE7LH</c>), not the display name.</summary>
    public string? SlackId { get; init; }

    /// <summary>PagerDuty's id of the user, by which their acknowledgements are recognised. It is no address: events cannot be sent to a user.</summary>
    public string? PagerDutyId { get; init; }

    /// <summary>Integration key of a PagerDuty service that pages this person alone. A secret.</summary>
    public string? PagerDutyRoutingKey { get; init; }

    /// <summary>A gateway to the person's phone, which takes a page as JSON. Whoever knows it can page, so it is a secret.</summary>
    public string? WebhookUrl { get; init; }

    /// <summary>Signs what is sent to <see cref="WebhookUrl"/>. Null: unsigned; empty: it names a variable that is absent, and nothing is sent.</summary>
    public string? WebhookSecret { get; init; }

    /// <summary>Where the person lives: quiet hours and times in messages are read here.</summary>
    public required DateTimeZone Zone { get; init; }

    /// <summary>How the person is reached, in order: each channel is tried until the page is acknowledged or the list ends.</summary>
    public required ImmutableArray<ContactStep> Contacts { get; init; }

    /// <summary>Hours in which only <see cref="QuietExcept"/> gets through; empty means none.</summary>
    public ImmutableArray<WeeklyWindow> QuietHours { get; init; } = [];

    /// <summary>Severities that disturb quiet hours. Default: critical.</summary>
    public ImmutableArray<string> QuietExcept { get; init; } = [Severity.Critical];

    /// <summary>True when a page of this severity must not disturb the person now.</summary>
    public bool IsQuiet(string severity, Instant at) => !QuietExcept.Contains(severity) && WeeklyWindow.AnyContains(QuietHours, Zone, at);

    /// <summary>Where the person is found on a channel; null or empty when the person has no address there. May be a secret: not for logs.</summary>
    public string? AddressOn(string channel) => channel switch
    {
        "email" => Email,
        "slack" => SlackId,
        "pagerduty" => PagerDutyRoutingKey,
        "webhook" => WebhookSecret is "" ? null : WebhookUrl,
        _ => null,
    };

    /// <summary>The contact steps that can work, each with its address and how long after the page it begins. A step that cannot work is passed over without its wait.</summary>
    public ImmutableArray<Contact> ContactsOn(IReadOnlySet<string> workingChannels)
    {
        var contacts = ImmutableArray.CreateBuilder<Contact>();
        var after = Duration.Zero;
        foreach (var step in Contacts)
        {
            if (!workingChannels.Contains(step.Channel) || string.IsNullOrWhiteSpace(AddressOn(step.Channel))) continue;
            after += step.Wait;
            contacts.Add(new Contact(step.Channel, AddressOn(step.Channel)!, after));
        }

        return contacts.DrainToImmutable();
    }
}

/// <summary>One way to reach a person.</summary>
/// <param name="Channel">Key of the channel: <c>pagerduty</c>, <c>slack</c>, <c>email</c>, <c>webhook</c>.</param>
/// <param name="Wait">How long after the step before it begins; for the first, after the page. Usually zero there.</param>
public sealed record ContactStep(string Channel, Duration Wait);

/// <summary>A contact step with its address. <paramref name="After"/>: how long after the page it begins.</summary>
public sealed record Contact(string Channel, string Address, Duration After);
