namespace Incidents.Server.Notifications;

/// <summary>A channel this build knows: its key in <c>routing.yaml</c> and the record its settings are read into.</summary>
internal sealed record ChannelRegistration(string Key, Type ReceiverType, string Description);
