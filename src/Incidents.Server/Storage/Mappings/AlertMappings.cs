using Incidents.Server.Alerts;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class InboxMapping : IEntityTypeConfiguration<InboxRow>
{
    public void Configure(EntityTypeBuilder<InboxRow> builder)
    {
        builder.ToTable("inbox").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.HasIndex(r => r.Id, "ix_inbox_pending").HasFilter("state = 'pending'");
        builder.HasIndex(r => r.Id, "ix_inbox_quarantined").HasFilter("state in ('quarantined', 'partial')");

        // Rows arrive in time order, so a block range index finds a period for almost nothing.
        builder.HasIndex(r => r.ReceivedAt).HasMethod("brin");
    }
}

internal sealed class InboxBodyMapping : IEntityTypeConfiguration<InboxBody>
{
    public void Configure(EntityTypeBuilder<InboxBody> builder)
    {
        builder.ToTable("inbox_bodies").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
    }
}

internal sealed class AlertMapping : IEntityTypeConfiguration<AlertRow>
{
    public void Configure(EntityTypeBuilder<AlertRow> builder)
    {
        builder.ToTable("alerts").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.Labels).HasColumnType("jsonb");
        builder.Property(r => r.Annotations).HasColumnType("jsonb");

        builder.HasIndex(r => new { r.Fingerprint, r.Source, r.StartsAt }).IsUnique();
        builder.HasIndex(r => new { r.ReceivedAt, r.Id });
        builder.HasIndex(r => r.Id, "ix_alerts_suppressed").HasFilter("status = 'firing' and outcome = 'suppressed'");
        builder.HasIndex(r => r.Id, "ix_alerts_caused").HasFilter("status = 'firing' and outcome = 'suppressed' and (muted_rule like 'inhibition/%' or muted_rule like 'dependency/%')").HasDatabaseName("ix_alerts_caused");
        builder.HasIndex(r => r.MutedUntil).HasFilter("status = 'firing' and outcome = 'suppressed' and muted_until is not null");
        builder.HasIndex(r => r.UpstreamGroup).HasFilter("status = 'firing'");
        builder.HasIndex(r => r.SettleAt).HasFilter("settle_at is not null");
        builder.HasIndex(r => r.IncidentNumber).HasFilter("incident_number is not null");
        builder.HasIndex(r => r.NoticeId).HasFilter("notice_id is not null");
    }
}
