using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Notifications;
using Incidents.Server.OnCall;
using Incidents.Server.PostMortems;
using Incidents.Server.Response;
using Incidents.Server.Scheduling;
using Incidents.Server.Storage;
using Incidents.Server.Tests.Web;
using Mediator;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NodaTime;
using NodaTime.Extensions;
using Npgsql;

namespace Incidents.Server.Tests.PostMortems;

/// <summary>The stages from incidents to post-mortems on a database of their own; drafts are written when the test says so.</summary>
internal sealed class PostMortemHost : IAsyncDisposable
{
    private readonly TestDatabase _database;
    private readonly NpgsqlDataSource _source;

    private PostMortemHost(TestDatabase database, NpgsqlDataSource source, WebHost web) => (_database, _source, Web) = (database, source, web);

    public WebHost Web { get; }

    public NpgsqlDataSource Database => _source;

    public static async Task<PostMortemHost> StartAsync()
    {
        var database = await TestDatabase.CreateAsync();
        var source = StorageModule.CreateDataSource(database.ConnectionString);
        await PrepareDatabase.MigrateAsync(source, CancellationToken.None);
        var web = await WebHost.StartAsync(
            app => app.MapPostMortems(),
            builder =>
            {
                builder.AddScheduling();
                builder.Services.AddSingleton(source).AddSingleton<IdBlocks>().AddSingleton<QueueDeliveries>().AddSingleton<FollowIncidents>().AddScoped<IncidentWork>().AddRazorComponents();
                builder.Services.AddAntiforgery();
                builder.AddPostMortems();
                builder.Services.Remove(builder.Services.Single(s => s.ServiceType == typeof(IHostedService) && s.ImplementationType == typeof(DraftDue)));
                builder.Services.AddSingleton<DraftDue>();
            },
            database.ConnectionString);
        return new PostMortemHost(database, source, web);
    }

    /// <summary>An incident that opened and is not over.</summary>
    public async Task OpenAsync(long number, string severity = Severity.Critical, string title = "DiskFull (db-7)") =>
        await Web.WithDatabaseAsync(async db =>
        {
            var now = TimeProvider.System.GetCurrentInstant();
            var decision = new RoutingDecision { OpensIncident = true, Severity = severity, GroupKey = $"g{number}", Receivers = [], Path = ["root"] };
            var incident = Incident.Open(number, Guid.NewGuid(), title, new FiringAlert(title, decision, now - Duration.FromMinutes(3), false), now);
            db.Add(incident);
            db.AddRange(incident.TakeEntries());
            return await db.SaveChangesAsync();
        });

    public async Task SendAsync<T>(ICommand<T> command)
    {
        await using var scope = Web.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<ISender>().Send(command);
    }

    /// <summary>Writes all drafts that are due.</summary>
    public async Task<int> DraftAsync()
    {
        var drafted = 0;
        while (await Web.Services.GetRequiredService<DraftDue>().DoPortionAsync(CancellationToken.None)) drafted++;
        return drafted;
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = _source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        await Web.DisposeAsync();
        await _source.DisposeAsync();
        await _database.DisposeAsync();
    }
}
