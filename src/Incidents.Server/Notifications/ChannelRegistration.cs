namespace Incidents.Server.Notifications;

/// <summary>A channel this build knows: its key in <c>routing.yaml</c> and the record its settings are read into.</summary>
internal sealed record ChannelRegistration(string Key, Type ReceiverType, string Description)
{
    /// <summary>Whether this machine has what sending by it needs: given a receiver's settings, or null for the address of a person. Null: always.</summary>
    public Func<IServiceProvider, object?, bool>? IsSetUp { get; init; }

    /// <summary>True when a receiver of it reaches a person wherever they are, as a pager does and a chat room or a log does not.</summary>
    public bool Pages { get; init; }
}
