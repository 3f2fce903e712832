namespace Incidents.Server.Insights;

/// <summary>What looks at everything: the ledger and its auditor.</summary>
internal static class InsightsModule
{
    public static void AddInsights(this WebApplicationBuilder builder) => builder.Services
        .AddHostedService<AuditLedger>()
        .AddHostedService<MeasureQueues>();

    public static void MapInsights(this WebApplication app)
    {
        app.MapLedger();
        app.MapMutingDebt();
    }
}
