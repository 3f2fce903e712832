using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Incidents.Server.Storage;

/// <summary>Finds the database: <c>ConnectionStrings__Incidents</c> when it is set, else the embedded PostgreSQL under <c>Incidents__DataDirectory</c>.</summary>
internal static class DatabaseConnectionModule
{
    /// <summary>
    /// Registers <see cref="DatabaseConnection"/>. Call it before any other module that registers a hosted service:
    /// hosted services start in the order of registration, and the embedded PostgreSQL must be up before the first of them.
    /// </summary>
    public static WebApplicationBuilder AddDatabaseConnection(this WebApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        if (builder.Configuration.GetConnectionString("Incidents") is { Length: > 0 } given)
        {
            builder.Services.AddSingleton(DatabaseConnection.External(given));
            return builder;
        }

        var options = new EmbeddedPostgresOptions
        {
            DataDirectory = builder.Configuration["Incidents:DataDirectory"] is { Length: > 0 } directory ? directory : ".data",
            BinDirectory = builder.Configuration["INCIDENTS_POSTGRES_BIN"],
        };
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<EmbeddedPostgres>();
        builder.Services.AddSingleton<EmbeddedPostgresService>();
        builder.Services.AddHostedService(services => services.GetRequiredService<EmbeddedPostgresService>());
        builder.Services.AddSingleton(services => new DatabaseConnection
        {
            ConnectionString = services.GetRequiredService<EmbeddedPostgres>().ConnectionString,
            IsEmbedded = true,
        });
        return builder;
    }
}
