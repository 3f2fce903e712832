using Incidents.Server.Notifications;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class ThreadMapping : IEntityTypeConfiguration<ThreadRow>
{
    public void Configure(EntityTypeBuilder<ThreadRow> builder)
    {
        builder.ToTable("notification_threads").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.HasIndex(r => new { r.IncidentNumber, r.Receiver }).IsUnique().HasFilter("incident_number is not null");
        builder.HasIndex(r => new { r.NoticeId, r.Receiver }).IsUnique().HasFilter("notice_id is not null");
        builder.HasIndex(r => new { r.Receiver, r.Id }, "ix_notification_threads_reference").HasFilter("reference is not null");
    }
}

internal sealed class DeliveryMapping : IEntityTypeConfiguration<DeliveryRow>
{
    public void Configure(EntityTypeBuilder<DeliveryRow> builder)
    {
        builder.ToTable("deliveries").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();

        // For each thread at most one waits and at most one is under way: that is what keeps its messages in order.
        builder.HasIndex(r => r.ThreadId, "ux_deliveries_queued").IsUnique().HasFilter("state = 'queued'");
        builder.HasIndex(r => r.ThreadId, "ux_deliveries_sending").IsUnique().HasFilter("state = 'sending'");
        builder.HasIndex(r => new { r.Receiver, r.DueAt, r.Id }, "ix_deliveries_due").HasFilter("state = 'queued'");
        builder.HasIndex(r => r.LeaseUntil, "ix_deliveries_lease").HasFilter("state = 'sending'");
        builder.HasIndex(r => r.FailOverAt, "ix_deliveries_fail_over").HasFilter("fail_over_at is not null");
        builder.HasIndex(r => r.IncidentNumber).HasFilter("incident_number is not null");
        builder.HasIndex(r => r.NoticeId, "ix_deliveries_to_people").HasFilter("notice_id is not null and receiver like '@%'");
    }
}

internal sealed class AttemptMapping : IEntityTypeConfiguration<AttemptRow>
{
    public void Configure(EntityTypeBuilder<AttemptRow> builder)
    {
        builder.ToTable("delivery_attempts").HasKey(r => r.Id);
        builder.Property(r => r.Id).UseIdentityAlwaysColumn();
        builder.HasIndex(r => r.DeliveryId);
    }
}

internal sealed class ReceiverStateMapping : IEntityTypeConfiguration<ReceiverStateRow>
{
    public void Configure(EntityTypeBuilder<ReceiverStateRow> builder) => builder.ToTable("receiver_states").HasKey(r => r.Receiver);
}
