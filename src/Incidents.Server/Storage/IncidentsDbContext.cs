using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Server.Alerts;
using Incidents.Server.Notifications;
using Incidents.Server.OnCall;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Storage;

/// <summary>The whole model. Each entity's mapping is one <c>IEntityTypeConfiguration</c> in <c>Storage/Mappings</c>; names are snake_case.</summary>
internal sealed class IncidentsDbContext(DbContextOptions<IncidentsDbContext> options) : DbContext(options)
{
    public DbSet<Incident> Incidents => Set<Incident>();

    public DbSet<TimelineEntry> TimelineEntries => Set<TimelineEntry>();

    public DbSet<InboxRow> Inbox => Set<InboxRow>();

    public DbSet<AlertRow> Alerts => Set<AlertRow>();

    public DbSet<EscalationRow> Escalations => Set<EscalationRow>();

    public DbSet<PageRow> Pages => Set<PageRow>();

    public DbSet<DeliveryRow> Deliveries => Set<DeliveryRow>();

    public DbSet<AttemptRow> DeliveryAttempts => Set<AttemptRow>();

    public DbSet<ReceiverStateRow> ReceiverStates => Set<ReceiverStateRow>();

    public DbSet<Heartbeat> Heartbeats => Set<Heartbeat>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        // Ids of rows written in bulk are handed out in blocks by the processes that write them (see IdBlocks).
        modelBuilder.HasSequence<long>("row_ids").IncrementsBy(1000);

        // Numbers that people say have no blocks, so that they follow each other.
        modelBuilder.HasSequence<long>("incident_numbers");
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(IncidentsDbContext).Assembly);
    }
}
