using System.Collections.Immutable;
using Incidents.Domain.Access;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using Incidents.Server.Storage;
using Incidents.Server.Web;
using Npgsql;

namespace Incidents.Server.Notifications.Inbound;

/// <summary>Somebody we know by an account elsewhere.</summary>
/// <param name="Name">As timelines show them.</param>
/// <param name="Grants">What they may do here; nothing once they were shut out.</param>
internal sealed record KnownPerson(string Name, ImmutableArray<Grant> Grants);

/// <summary>
/// Accounts elsewhere, and whose they are: by <c>config/oncall.yaml</c> first, then by what people linked themselves. What they may do is what the user behind them may: whoever is shut out, or loses a role, loses it there, too.
/// </summary>
internal sealed class KnownPeople(NpgsqlDataSource database, IActiveConfiguration configuration, ApiKeyCache keys)
{
    public const string Slack = "slack";
    public const string PagerDuty = "pagerduty";

    /// <summary>Git, or an administrator, named the person and tied no user to them.</summary>
    private static readonly ImmutableArray<Grant> Everywhere = [new Grant(Role.Responder, null)];

    private const string GrantsOfUser = "u.disabled_at is not null, (select array_agg(m.role order by m.team) from memberships m where m.user_id = u.id), (select array_agg(m.team order by m.team) from memberships m where m.user_id = u.id)";

    /// <summary>Whose account it is; null when nobody here is known by it, or the key that the person linked it with may not respond any more.</summary>
    public async Task<KnownPerson?> FindAsync(string provider, string externalId, CancellationToken cancellationToken)
    {
        if (Written(provider, externalId) is { } written) return new KnownPerson(written.Name, await GrantsOfAsync(written, cancellationToken));
        await using var command = database.CreateCommand($"select l.name, l.key_id, l.user_id, u.display_name, {GrantsOfUser} from account_links l left join users u on u.id = l.user_id where l.provider = $1 and l.external_id = $2");
        command.Parameters.Add(Sql.P(provider));
        command.Parameters.Add(Sql.P(externalId));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken)) return null;

        var name = reader.GetString(0);
        if (!reader.IsDBNull(2)) return reader.IsDBNull(3) ? null : new KnownPerson(reader.GetString(3), GrantsIn(reader, 4));
        if (reader.IsDBNull(1)) return new KnownPerson(name, Everywhere);
        var key = await keys.CheckAsync(reader.GetGuid(1), cancellationToken);
        return key.Result.Principal is { } holder && Scopes.Covers(holder, Scopes.Respond) ? new KnownPerson(name, [.. holder.Grants()]) : null;
    }

    /// <summary>Name of whoever reads the mail of this address; the address itself when nobody, or more than one, is known by it.</summary>
    public string NameOfMailbox(string address)
    {
        var readers = configuration.Current.OnCall.People.Values.Where(p => string.Equals(p.Email, address, StringComparison.OrdinalIgnoreCase)).Take(2).ToList();
        return readers is [var only] ? only.Name : address;
    }

    private Person? Written(string provider, string externalId) =>
        configuration.Current.OnCall.People.Values.FirstOrDefault(p => (provider == Slack ? p.SlackId : p.PagerDutyId) == externalId);

    /// <summary>Of the user who is this person, as <see cref="Sessions"/> knows them; without one, a responder: git said who it is.</summary>
    private async Task<ImmutableArray<Grant>> GrantsOfAsync(Person person, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"select {GrantsOfUser} from users u where u.person = $1 or (u.person is null and lower(u.email) = lower($2)) order by u.disabled_at is not null, u.person is null limit 1");
        command.Parameters.Add(Sql.P(person.Key));
        command.Parameters.Add(InboundActions.Text(person.Email));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? GrantsIn(reader, 0) : Everywhere;
    }

    private static ImmutableArray<Grant> GrantsIn(NpgsqlDataReader reader, int at) =>
        reader.GetBoolean(at) || reader.IsDBNull(at + 1) ? []
        : [.. reader.GetFieldValue<string[]>(at + 1).Zip(reader.GetFieldValue<string[]>(at + 2), (role, team) => new Grant(role, team.Length == 0 ? null : team))];
}
