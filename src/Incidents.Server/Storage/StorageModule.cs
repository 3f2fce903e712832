using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>The database: a pool for work and one for people, the model, and the migrations.</summary>
internal static class StorageModule
{
    public static void AddStorage(this WebApplicationBuilder builder)
    {
        builder.Services
            .AddSingleton(services => CreateDataSource(services.GetRequiredService<DatabaseConnection>().ConnectionString, services.GetRequiredService<ILoggerFactory>()))
            .AddSingleton(services => WorkPool.Of(services.GetRequiredService<DatabaseConnection>().ConnectionString, builder.Configuration.GetValue("Receive:IngestWorkers", 2), services.GetRequiredService<ILoggerFactory>()))
            .AddDbContext<IncidentsDbContext>((services, options) => options.UseIncidentsDatabase(services.GetRequiredService<NpgsqlDataSource>()))
            .AddSingleton<IdBlocks>()
            .AddSingleton<PrepareDatabase>()
            .AddHostedService(services => services.GetRequiredService<PrepareDatabase>());
    }

    /// <summary>A pool that understands NodaTime and prepares what is said often.</summary>
    public static NpgsqlDataSource CreateDataSource(string connectionString, ILoggerFactory? logs = null, Action<NpgsqlDataSourceBuilder>? configure = null)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "incidents" };
        if (parts.MaxAutoPrepare == 0) parts.MaxAutoPrepare = 128;

        // Nothing here leaves anything behind in a session, so nothing has to be cleaned up between its uses.
        parts.NoResetOnClose = true;
        var builder = new NpgsqlDataSourceBuilder(parts.ConnectionString);
        builder.UseNodaTime();
        if (logs is not null) builder.UseLoggerFactory(logs);
        configure?.Invoke(builder);
        return builder.Build();
    }

    /// <summary>One way to the model for the server, the migrations program and the tests.</summary>
    public static DbContextOptionsBuilder UseIncidentsDatabase(this DbContextOptionsBuilder options, NpgsqlDataSource dataSource) =>
        options.UseNpgsql(dataSource, npgsql => npgsql.UseNodaTime()).UseSnakeCaseNamingConvention();
}
