using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Npgsql;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>Somebody we know by an account elsewhere.</summary>
/// <param name="Name">As timelines show them.</param>
internal sealed record KnownPerson(string Name);

/// <summary>Accounts elsewhere, and whose they are: by <c>config/oncall.yaml</c> first, then by what people linked themselves.</summary>
internal sealed class KnownPeople(NpgsqlDataSource database, IActiveConfiguration configuration, ApiKeyCache keys)
{
    public const string Slack = "slack";
    public const string PagerDuty = "pagerduty";

    /// <summary>Whose account it is; null when nobody here is known by it, or the key that the person linked it with may not respond any more.</summary>
    public async Task<KnownPerson?> FindAsync(string provider, string externalId, CancellationToken cancellationToken)
    {
        if (Written(provider, externalId) is { } written) return new KnownPerson(written.Name);
        await using var command = database.CreateCommand("select name, key_id from account_links where provider = $1 and external_id = $2");
        command.Parameters.Add(Sql.P(provider));
        command.Parameters.Add(Sql.P(externalId));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken)) return null;

        var person = new KnownPerson(reader.GetString(0));
        if (reader.IsDBNull(1)) return person;
        var key = await keys.CheckAsync(reader.GetGuid(1), cancellationToken);
        return key.Result.Principal is { } holder && Scopes.Covers(holder, Scopes.Respond) ? person : null;
    }

    /// <summary>Name of whoever reads the mail of this address; the address itself when nobody, or more than one, is known by it.</summary>
    public string NameOfMailbox(string address)
    {
        var readers = configuration.Current.OnCall.People.Values.Where(p => string.Equals(p.Email, address, StringComparison.OrdinalIgnoreCase)).Take(2).ToList();
        return readers is [var only] ? only.Name : address;
    }

    private Person? Written(string provider, string externalId) =>
        configuration.Current.OnCall.People.Values.FirstOrDefault(p => (provider == Slack ? p.SlackId : p.PagerDutyId) == externalId);
}
