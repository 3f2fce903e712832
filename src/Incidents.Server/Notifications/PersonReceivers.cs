using System.Runtime.CompilerServices;
using Incidents.Domain.OnCall;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Notifications.Channels;

namespace Incidents.Server.Notifications;

/// <summary>
/// People as receivers: <c>@ana/slack</c> is looked up in <c>oncall.yaml</c> when something is sent, so a page that waited goes to the address of now.
/// </summary>
internal static class PersonReceivers
{
    private static readonly ConditionalWeakTable<EngineConfiguration, IReadOnlyList<Receiver>> All = [];

    /// <summary>A receiver by its name: of <c>routing.yaml</c>, or a person on a channel. Null when it is in neither any more.</summary>
    public static Receiver? ReceiverOf(this EngineConfiguration configuration, string name) =>
        configuration.Receivers.GetValueOrDefault(name) ?? (PersonReceiver.TryParse(name, out var person, out var channel) && configuration.OnCall.People.TryGetValue(person, out var who) ? Of(who, channel) : null);

    /// <summary>Every receiver there is.</summary>
    public static IReadOnlyList<Receiver> AllReceivers(this EngineConfiguration configuration) => configuration.OnCall.People.Count == 0 ? configuration.Receivers.Values : All.GetValue(configuration, static c =>
        [.. c.Receivers.Values, .. c.OnCall.People.Values.SelectMany(person => person.Contacts.Select(contact => contact.Channel).Distinct(StringComparer.Ordinal).Select(channel => Of(person, channel))).OfType<Receiver>()]);

    private static Receiver? Of(Person person, string channel)
    {
        if (person.AddressOn(channel) is not { } address || string.IsNullOrWhiteSpace(address)) return null;
        object? settings = channel switch
        {
            // chat.postMessage takes a member's id for a channel and answers the id of the direct message, in which later updates are made.
            "slack" => new SlackReceiver { Channel = address },
            "email" => new EmailReceiver { To = [address] },
            "pagerduty" => new PagerDutyReceiver { RoutingKey = address },
            "webhook" when Uri.TryCreate(address, UriKind.Absolute, out var url) => new WebhookReceiver { Url = url, Secret = person.WebhookSecret },
            _ => null,
        };
        return settings is null ? null : new Receiver { Name = PersonReceiver.NameOf(person.Key, channel), Channel = channel, Settings = settings };
    }
}
