using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Storage;

internal static class StorageModule
{
    /// <summary>One way to the database for the server, the migrations program and the tests.</summary>
    public static DbContextOptionsBuilder UseIncidentsDatabase(this DbContextOptionsBuilder options, string connectionString) =>
        options.UseNpgsql(connectionString, npgsql => npgsql.UseNodaTime()).UseSnakeCaseNamingConvention();

    public static DbContextOptionsBuilder UseIncidentsDatabase(this DbContextOptionsBuilder options, Npgsql.NpgsqlDataSource dataSource) =>
        options.UseNpgsql(dataSource, npgsql => npgsql.UseNodaTime()).UseSnakeCaseNamingConvention();
}
