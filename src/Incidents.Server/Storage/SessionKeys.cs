using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>A key that protects cookies and form tokens.</summary>
internal sealed class SessionKeyRow
{
    /// <summary>Name that the framework gives it.</summary>
    public required string Name { get; init; }

    /// <summary>The key with its dates.</summary>
    public required string Xml { get; init; }
}

/// <summary>Keeps the keys that protect cookies in PostgreSQL, so that sessions outlive restarts and count on every replica.</summary>
internal sealed class SessionKeys(NpgsqlDataSource database) : IXmlRepository
{
    public IReadOnlyCollection<XElement> GetAllElements()
    {
        using var command = database.CreateCommand("select xml from session_keys");
        using var reader = command.ExecuteReader();
        var keys = new List<XElement>();
        while (reader.Read()) keys.Add(XElement.Parse(reader.GetString(0)));
        return keys;
    }

    public void StoreElement(XElement element, string friendlyName)
    {
        using var command = database.CreateCommand("insert into session_keys (name, xml) values ($1, $2) on conflict (name) do update set xml = excluded.xml");
        command.Parameters.Add(Sql.P(friendlyName));
        command.Parameters.Add(Sql.P(element.ToString(SaveOptions.DisableFormatting)));
        command.ExecuteNonQuery();
    }
}
